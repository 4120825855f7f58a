"""Feeds mutated model files to the reader: each must be read or refused with a designed message.

    python tests/security/fuzz_archive.py --cases 200000 --seed 1

Anything else is a finding: another exception, a message of more than two lines or with characters that
cannot be printed, more than 5 seconds of the processor, more than 2 GiB of address space, a process that
dies or says nothing. Each finding is printed and its file kept under ``--keep``. A case is decided by the seed
and its number alone.
"""

import argparse
import collections
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from mutations import Seed, mutated
from seeds import seeds

from converter.archive import open_archive
from converter.description import InputShapes, describe
from converter.errors import ConversionError
from converter.folding import fold
from converter.lowering.lower import lower

_SECONDS = 5
_ADDRESS_SPACE = 2 * 2**30
_PER_PROCESS = 5000


def main() -> int:
    """Run the cases in processes of their own; 0 if there was no finding."""
    options = _options()
    if options.worker:
        return _work(options)
    tally: collections.Counter[str] = collections.Counter()
    findings, number, end = 0, options.first, options.first + options.cases
    while number < end:
        count = min(_PER_PROCESS, end - number)
        done, died = _process(options, number, count, tally)
        findings += died
        number += done
    findings += tally["finding"]
    _say(f"{options.cases:,} files: " + ", ".join(f"{n:,} {what}" for what, n in sorted(tally.items())))
    return 1 if findings else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where findings go")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _process(
    options: argparse.Namespace, first: int, count: int, tally: collections.Counter[str]
) -> tuple[int, int]:
    """Run cases in one process; if it dies, the case that killed it is the last one done."""
    command = [sys.executable, __file__, "--worker", "--seed", str(options.seed), "--keep", str(options.keep)]
    with tempfile.TemporaryDirectory(prefix="plainserve-fuzz-") as folder:
        command += ["--first", str(first), "--cases", str(count), "--folder", folder]
        done = _tallied(command, tally)
        if done == count:
            return done, 0
        number = first + done
        _say(f"case {number}: the process died, {_moved(Path(folder) / 'case', options.keep, number)}")
    return done + 1, 1


def _tallied(command: list[str], tally: collections.Counter[str]) -> int:
    """Count what a process says of each case."""
    done = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        watchdog = _watched(worker)
        for line in worker.stdout:
            watchdog.cancel()
            watchdog = _watched(worker)
            what, _, text = line.strip().partition(" ")
            tally[what] += 1
            done += 1
            if what == "finding":
                _say(text)
        watchdog.cancel()
    return done


def _watched(worker: subprocess.Popen[str]) -> threading.Timer:
    """Ends a process that says nothing: an endless loop in a native library heeds no alarm."""
    watchdog = threading.Timer(60 * _SECONDS, worker.kill)
    watchdog.daemon = True
    watchdog.start()
    return watchdog


def _work(options: argparse.Namespace) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_slow)
    path = options.folder / "case"
    for number in range(options.first, options.first + options.cases):
        path.unlink(missing_ok=True)
        path.write_bytes(_case(options.seed, number))
        what = _outcome(path)
        if what.startswith("finding"):
            what += f"; case {number}, {_moved(path, options.keep, number)}"
        _say(what)
    return 0


_SEEDS: list[Seed] = []


def _case(seed: int, number: int) -> bytes:
    if not _SEEDS:
        _SEEDS.extend(seeds())
    chance = random.Random(f"{seed} {number}")  # noqa: S311  a case must be the same every time
    return mutated(chance.choice(_SEEDS), chance)


def _moved(path: Path, folder: Path, number: int) -> str:
    """Keep a case's file; there is none if it was the mutation that failed."""
    if not path.exists():
        return "while it was being made"
    folder.mkdir(parents=True, exist_ok=True)
    return str(shutil.move(path, folder / f"case_{number}"))


def _too_slow(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"took more than {_SECONDS} s")


def _outcome(path: Path) -> str:
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        with open_archive(path) as archive:
            archive.verify()
            description = describe(archive, {}, InputShapes())
            fold(lower(description.graph))
            description.to_json()
        what = "read"
    except ConversionError as error:
        what = _judged(error)
    except BaseException as error:  # noqa: BLE001  whatever else comes is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"finding {type(error).__name__}: {str(error)[:100]!r} at {last.filename}:{last.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if time.process_time() - begun > _SECONDS:
        return f"finding took {time.process_time() - begun:.1f} s"
    return what


def _judged(error: ConversionError) -> str:
    lines = str(error).splitlines()
    if error.exit_code not in {3, 4} or not 1 <= len(lines) <= 2:
        return f"finding exit code {error.exit_code}, {len(lines)} lines: {str(error)[:100]!r}"
    if not all(line.isprintable() for line in lines) or len(str(error)) > 2000:
        return f"finding message that is long or cannot be printed: {str(error)[:100]!r}"
    return f"refused_{error.exit_code}"


if __name__ == "__main__":
    sys.exit(main())
