"""Compiles the native front end: a hook of the build backend, and a program that ``make native`` runs.

The module needs a C++17 compiler and nghttp2. Without them the installation succeeds, and grpcio serves. The
environment variable ``PLAINSERVE_NATIVE`` decides:

- ``auto`` (default): build it where that is possible; otherwise print one line with the reason.
- ``require``: fail where it cannot be built.
- ``off``: do not build it.

``CXX`` names the compiler; ``CXXFLAGS`` and ``LDFLAGS`` follow the flags below.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path(__file__).parent / "serving" / "transport" / "native"
SOURCES = FOLDER / "src"
MODULE = FOLDER / "_frontend.abi3.so"

VARIABLE = "PLAINSERVE_NATIVE"
MODES = ("auto", "require", "off")

PACKAGES = {"Python.h": "python3-dev", "nghttp2": "libnghttp2-dev"}
"""What a compiler does not find, and the Debian package that has it."""

PROBE = "#include <Python.h>\n#include <nghttp2/nghttp2.h>\nint main() { return nghttp2_version(0) == nullptr; }\n"
"""A program that needs what the module needs."""

FAULT = re.compile(r"^(?!collect2).*(error|ld): ")
"""The lines of a compiler and a linker that say what is wrong. collect2 says only that the linker failed."""

COMPILE = """
    -std=c++17 -O2 -g0 -fPIC -fvisibility=hidden -Wall -Wextra
    -DPy_LIMITED_API=0x030B0000 -DNDEBUG -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS
    -fstack-protector-strong
""".split()
"""Python 3.11 is the oldest whose stable ABI the module uses, so one module serves all later ones."""

LINK = "-shared -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed".split()
"""With ``now``, a libnghttp2 that lacks a function is noticed when the module is imported, not when it is called."""


class NativeBuildError(Exception):
    """The module cannot be built; the text says why and what to do."""


def mode() -> str:
    """What ``PLAINSERVE_NATIVE`` says.

    Raises:
        NativeBuildError: It says something else.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in MODES:
        raise NativeBuildError(f"{VARIABLE} is {value!r}; it can be {', '.join(MODES)}")
    return value


def build(module: Path) -> None:
    """Compile the sources, each on its own, and link them.

    Args:
        module: The file to write. It is replaced in one step: a running server may have it mapped.

    Raises:
        NativeBuildError: The compiler or a library is missing, or the sources do not compile.
    """
    if not sys.platform.startswith("linux"):
        raise NativeBuildError("it needs Linux")
    compiler = _compiler()
    cflags, libraries = _nghttp2()
    compile_flags = [*COMPILE, f"-I{sysconfig.get_path('include')}", *cflags, *_flags("CXXFLAGS")]
    with tempfile.TemporaryDirectory(prefix="plainserve-native-") as folder:
        _probe(compiler, compile_flags, libraries, Path(folder))

        def compiled(source: Path) -> str:
            target = str(Path(folder) / f"{source.stem}.o")
            _run([*compiler, *compile_flags, "-c", str(source), "-o", target])
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, sorted(SOURCES.glob("*.cc"))))
        linked = module.with_name(f".{module.name}.{os.getpid()}")
        try:
            _run([*compiler, *LINK, *objects, *libraries, *_flags("LDFLAGS"), "-o", str(linked)])
            linked.replace(module)
        finally:
            linked.unlink(missing_ok=True)


def _compiler() -> list[str]:
    named = _flags("CXX")
    for command in [named] if named else [["g++"], ["clang++"], ["c++"]]:
        if shutil.which(command[0]):
            return command
    raise NativeBuildError(f"no C++ compiler ({shlex.join(named) or 'g++'}) was found: apt-get install g++")


def _nghttp2() -> tuple[list[str], list[str]]:
    """The flags to compile and to link with nghttp2; without pkg-config, those of an ordinary installation."""
    try:
        return (
            shlex.split(_output(["pkg-config", "--cflags", "libnghttp2"])),
            shlex.split(_output(["pkg-config", "--libs", "libnghttp2"])),
        )
    except (OSError, subprocess.CalledProcessError):
        return [], ["-lnghttp2"]


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _flags(name: str) -> list[str]:
    return shlex.split(os.environ.get(name, ""))


def _probe(compiler: list[str], flags: list[str], libraries: list[str], folder: Path) -> None:
    """Try a small program, so that what is missing is named and not guessed from errors in our sources."""
    source = folder / "probe.cpp"
    source.write_text(PROBE)
    try:
        _run([*compiler, *flags, str(source), *libraries, "-o", str(folder / "probe")])
    except NativeBuildError as error:
        for missing, package in PACKAGES.items():
            if missing in str(error):
                raise NativeBuildError(f"{missing} was not found: apt-get install {package}") from error
        raise


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.splitlines() or [f"{command[0]} ended with exit code {done.returncode}"]
        raise NativeBuildError(next((line for line in said if FAULT.search(line)), said[-1]))
    if done.stderr:
        print(done.stderr, end="", file=sys.stderr)  # noqa: T201  warnings


def build_where_possible(module: Path) -> bool:
    """Build as ``PLAINSERVE_NATIVE`` says. If nothing is built, a module of earlier sources is removed.

    Returns:
        Whether the module was built.

    Raises:
        NativeBuildError: It is required and cannot be built.
    """
    wanted = mode()
    if wanted == "off":
        module.unlink(missing_ok=True)
        return False
    try:
        build(module)
    except NativeBuildError as error:
        module.unlink(missing_ok=True)
        if wanted == "require":
            raise NativeBuildError(f"the native front end cannot be built: {error}") from error
        text = f"warning: the native front end is not built and grpcio serves in its place: {error}"
        print(text, file=sys.stderr)  # noqa: T201  for the person who installs
        return False
    return True


class NativeFrontEndHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the module into a wheel, or for an editable installation beside its sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files; ``version`` is ``editable`` or ``standard``."""
        self._folder = tempfile.TemporaryDirectory(prefix="plainserve-native-")
        if version == "editable":
            build_where_possible(MODULE)
            return
        module = Path(self._folder.name) / MODULE.name
        if build_where_possible(module):
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["force_include"][str(module)] = str(MODULE.relative_to(Path(__file__).parent))

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Called by hatchling when the wheel is written."""
        self._folder.cleanup()


if __name__ == "__main__":
    try:
        build_where_possible(MODULE)
    except NativeBuildError as error:
        sys.exit(str(error))
