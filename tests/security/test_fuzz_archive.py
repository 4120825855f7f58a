import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz_archive.py")


@pytest.mark.slow
def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path):
    """The bounded run: the same files each time. ``make fuzz-archive`` runs many more."""
    command = [sys.executable, str(SCRIPT), "--cases", "800", "--seed", "7", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = {
        what: int(number.replace(",", "")) for number, what in re.findall(r"(\d[\d,]*) (\w+)", done.stdout)
    }
    assert set(counted) == {"files", "read", "refused_3", "refused_4"}
    assert min(counted.values()) > 20  # a fuzzer whose files are all alike finds nothing
    assert sum(counted.values()) == 2 * counted["files"]
    assert not list(tmp_path.iterdir())
