"""Runs work on an untrusted file in a process of its own, within a time and a memory budget.

The reader refuses what it knows to be dangerous. What it does not know of, a crash or an endless loop in a
native library, ends here as one clear error, and the command goes on with the next file.

The work's process answers with JSON through a pipe: a process that a hostile file took over can send wrong
figures, but nothing that is run. It shares stdout and stderr. It publishes by leave of its parent alone: a parent
that was told to end gives none, ends it and removes its temporary files; see ``parent`` for one that is killed.
"""

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converter.errors import EnvironmentLacksError, UnsafeFileError
from converter.process.child_result import child_result
from converter.process.environment_errors import as_environment_error
from converter.process.parent_channel import ASKS, Parent, live
from converter.process.supervisor import supervisor
from converter.process.temporary_folder import claimed_folder
from converter.process.termination import Ended, held

_LOOK = 0.05  # seconds between two looks at the memory
_GRACE = 2.0  # seconds to clean up after SIGTERM, and to finish what is being moved before it
_MIB = 2**20
_TEMPORARY = "plainserve-convert-"
_TOLD = frozenset({"phase", "moved"}) | ASKS


@dataclass(frozen=True)
class Limits:
    """What one file may cost.

    Attributes:
        memory: Resident bytes; None for any number. It is looked at twenty times a second, on Linux.
        seconds: From start to end; None for any number.
    """

    memory: int | None = None
    seconds: float | None = None


@dataclass
class _Child:
    """A child and the ends of the pipes from and to it."""

    pid: int
    hearing: int
    leave: int
    heard: bytearray = field(default_factory=bytearray)
    answer: bytes = b""
    moving: bool = False


def confined(work: Callable[[], Any], source: Path, limits: Limits) -> Any:  # noqa: ANN401  the work's
    """Run ``work`` in a child process and return what it returns.

    To be called before threads are started and TensorFlow is imported: the child is a fork. Its temporary
    files lie in a folder that is removed whatever becomes of it.

    Args:
        work: Returns something that JSON can hold.
        source: The file at work, for messages.
        limits: Its budget.

    Raises:
        Ended: This process was told to end; the child has ended, and published nothing since.
        ConversionError: The one that the work raised.
        EnvironmentLacksError: The budget was exceeded, the system ended the process or could not start it.
        UnsafeFileError: A native library crashed.
        BrokenPipeError: Whoever read the work's output has left.
        RuntimeError: The work raised something unexpected; its traceback was printed if that was asked for.
    """
    with held() as told, _temporary_folder(source) as folder:
        child = _start(work, folder)
        status: int | None = None
        try:
            _follow(child, limits, told, source)
            status = _waited(child.pid)
        finally:
            if status is None:
                _end(child.pid)
            os.close(child.hearing)
            os.close(child.leave)
    if status is None:
        raise UnsafeFileError("its process does not end", where=source.name)
    return child_result(child.answer, status, source)


@contextlib.contextmanager
def _temporary_folder(source: Path) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(claimed_folder(Path(tempfile.gettempdir()), _TEMPORARY))
        except OSError as error:  # with FileNotFoundError, tempfile lists the usual places that it tried
            raise EnvironmentLacksError(
                f"no folder for temporary files can be made: {error.strerror}",
                where=source.name,
                hint="Set TMPDIR to a folder that can be written and has some space.",
            ) from error
        yield folder


def _start(work: Callable[[], Any], folder: Path) -> _Child:
    sys.stdout.flush()
    sys.stderr.flush()
    pipes = [os.pipe(), os.pipe()]
    (hearing, telling), (asking, leave) = pipes
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        for end in (hearing, telling, asking, leave):
            os.close(end)
        raise (as_environment_error(error) or error) from error
    if not pid:
        os.close(hearing)
        os.close(leave)
        live(work, Parent(parent, telling, asking), folder)
    os.close(telling)
    os.close(asking)
    return _Child(pid, hearing, leave)


def _follow(child: _Child, limits: Limits, told: Callable[[], int | None], source: Path) -> None:
    """Hear a child until it closes its pipe, with an eye on its budget and on what this process is told."""
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    patience: float | None = None
    while True:
        if (number := told()) is not None:
            patience = patience or time.monotonic() + _GRACE
            if not child.moving or time.monotonic() > patience:
                raise Ended(number)
        supervisor().waiting()
        if select.select([child.hearing], [], [], _LOOK)[0]:
            data = os.read(child.hearing, _MIB)
            if not data:
                return
            child.heard += data
            if b"\n" in data:
                _hear(child, source, allowed=told() is None)
        if end is not None and time.monotonic() > end:
            raise EnvironmentLacksError(
                f"took longer than {limits.seconds:g} s",
                where=source.name,
                hint="Give it more with --timeout.",
            )
        if limits.memory is not None and _resident(child.pid) > limits.memory:
            raise EnvironmentLacksError(
                f"took more than {limits.memory // _MIB:,} MiB of memory",
                where=source.name,
                hint="Give it more with --max-memory.",
            )


def _hear(child: _Child, source: Path, *, allowed: bool) -> None:
    """Take what a child says, and answer if it asks for leave and may have it."""
    *lines, rest = bytes(child.heard).split(b"\n")
    child.heard = bytearray(rest)
    for line in lines:
        if line.startswith(b"{"):
            child.answer = line
            continue
        try:
            kind, text = json.loads(line)
        except (ValueError, TypeError):
            kind = text = None
        if not isinstance(kind, str) or not isinstance(text, str) or kind not in _TOLD:
            raise UnsafeFileError("its process says what it should not", where=source.name)
        _pass_on(child, kind, text, allowed=allowed)


def _pass_on(child: _Child, kind: str, text: str, *, allowed: bool) -> None:
    if kind in ASKS and not allowed:
        return
    told = getattr(supervisor(), kind)
    told() if kind in ASKS else told(text)
    child.moving = kind == "moving" or (child.moving and kind != "moved")
    if kind in ASKS:
        with contextlib.suppress(BrokenPipeError):
            os.write(child.leave, b".")


def _resident(child: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell."""
    try:
        pages = Path(f"/proc/{child}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _end(child: int) -> None:
    """Ask a child to end, so that it can clean up, then make it."""
    os.kill(child, signal.SIGTERM)
    if _waited(child) is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _waited(child: int) -> int | None:
    """How a child that is about to end did so; None if it does not."""
    end = time.monotonic() + _GRACE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(_LOOK / 10)
    return None
