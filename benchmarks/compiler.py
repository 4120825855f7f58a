"""Compiles the C++ programs of the benchmarks, once, into ``build/benchmarks``."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror")
PACKAGES = {"grpc++": "libgrpc++-dev", "libnghttp2": "libnghttp2-dev"}
"""The Debian package of each library, by its pkg-config name."""


@dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
        path: Where it is.
        missing: What it could not be compiled without; None if it is there.
    """

    path: Path
    missing: str | None = None


@cache
def compiled(source: Path, library: str) -> Program:
    """A program from one source file and one library; compiled if it is not there or older than its source."""
    program = FOLDER / source.stem
    for tool in ("g++", "pkg-config"):
        if shutil.which(tool) is None:
            return Program(program, f"{tool} is missing: apt-get install {tool}")
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", library], capture_output=True, text=True, check=False
    )
    if found.returncode:
        return Program(program, f"{library} is missing: apt-get install {PACKAGES[library]}")
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(["g++", *FLAGS, str(source), "-o", str(program), *found.stdout.split()], check=True)
    return Program(program)
