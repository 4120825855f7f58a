"""The command ``convert`` with a stand-in for what needs TensorFlow, which takes a second and not ten.

It publishes each target ROUNDS times through the real destination. Before each time it sleeps in native code that
holds the interpreter's lock, as a library may: no Python runs meanwhile.

    python stand_in.py ROUNDS ARGUMENTS...
"""

import ctypes
import sys
import tempfile

from converter.command import run
from converter.command.cli import main
from converter.preflight import preflight

MICROSECONDS = 120_000
rounds = int(sys.argv[1])


def convert(source, options, report):
    with report.progress(source) as progress, preflight(source, options) as checked:
        for number in range(rounds):
            for target in options.targets:
                progress(f"round {number}")
                staged = checked.destination.stage(target)
                staged.path.write_text(f"{number}")
                tempfile.mkdtemp()
                ctypes.PyDLL(None).usleep(MICROSECONDS)
                entry = {
                    "target": target,
                    "inputs": [],
                    "outputs": [],
                    "rows_independent": True,
                    "number": number,
                }
                checked.destination.publish(staged, {}, entry, [])
    report.unchanged(source)
    return 0


run._convert = convert
sys.exit(main(sys.argv[2:]))
