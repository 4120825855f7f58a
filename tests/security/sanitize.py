"""Runs the tests of the transport on a native front end that is compiled with sanitizers.

    python tests/security/sanitize.py

They are AddressSanitizer and UndefinedBehaviorSanitizer, as g++ has them. The module is built in a copy of the
repository, ``build/sanitized``, so that servers in processes of their own load it too. Each report of a sanitizer is
a finding, also one of a process whose end no test looks at. Leaks are not reported, because Python has its own;
``tests/serving/transport/native/test_lifetimes.py`` counts what stays allocated.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPY = ROOT / "build" / "sanitized"
REPORTS = COPY / "reports"

COPIED = (
    "converter",
    "deploy",
    "models",
    "plainserve",
    "protos",
    "serving",
    "tests",
    "hatch_build.py",
    "pyproject.toml",
)

FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
COMPILE = f"{FLAGS} -O1 -g -fno-omit-frame-pointer -U_FORTIFY_SOURCE -Werror"

LIBRARIES = ("libasan.so", "libubsan.so", "libstdc++.so")
"""Loaded before Python: what replaces its malloc, and what the first of these looks for when it starts."""

QUARANTINE_MB = 16
"""Freed memory that is kept to notice its use. The tests bound the memory of a server."""

TESTS = ("tests/serving/transport", "-k", "native", "-q", "-p", "no:cacheprovider")


def main() -> int:
    """Build the module and run the tests; 0 if there was no finding."""
    _copy()
    build = {"PLAINSERVE_NATIVE": "require", "CXX": "g++", "CXXFLAGS": COMPILE, "LDFLAGS": FLAGS}
    if _run(["hatch_build.py"], build):
        return 1
    options = f"log_path={REPORTS}/report"
    environment = {
        "LD_PRELOAD": " ".join(map(_library, LIBRARIES)),
        "ASAN_OPTIONS": f"{options}:detect_leaks=0:quarantine_size_mb={QUARANTINE_MB}",
        "UBSAN_OPTIONS": f"{options}:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(COPY),
        "PLAINSERVE_NATIVE": "require",
    }
    workers = ("--numprocesses", str((os.cpu_count() or 1) + 1), "--dist", "worksteal")
    failed = _run(["-m", "pytest", *TESTS, "-m", "not alone", *workers], environment)
    failed |= _run(["-m", "pytest", *TESTS, "-m", "alone"], environment)
    reports = sorted(REPORTS.iterdir())
    for each in reports:
        sys.stdout.write(f"\n{each}:\n{each.read_text(errors='replace')}")
    sys.stdout.write(f"{len(reports)} reports of the sanitizers\n")
    return int(bool(failed or reports))


def _copy() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(ROOT / name, COPY)


def _library(name: str) -> str:
    path = subprocess.run(
        ["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if path == name:
        sys.exit(f"{name} was not found: apt-get install g++")
    return path


def _run(arguments: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        [sys.executable, *arguments], cwd=COPY, env={**os.environ, **environment}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
