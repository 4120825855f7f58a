"""Runs work on an untrusted file in a child process, within a time and a memory budget.

The reader refuses files that are known to be dangerous. Any other crash or endless loop in a native library is
reported here as one clear error, and the command goes on with the next file.

The child sends its result as JSON through a pipe: a child that a hostile file took over can send wrong numbers, but
nothing that is run. It shares stdout and stderr. It publishes only with the permission of its parent. A parent that
is terminated gives no permission, ends the child and removes its temporary files; for a parent that is killed, see
``parent_channel``.
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
from converter.process.parent_channel import ASKS, Parent, run_child
from converter.process.supervisor import supervisor
from converter.process.temporary_folder import locked_folder
from converter.process.termination import Terminated, termination_deferred

_POLL = 0.05  # seconds between two checks of the memory
_GRACE = 2.0  # seconds to clean up after SIGTERM, and before it to finish moves that have begun
_MIB = 2**20
_TEMPORARY = "plainserve-convert-"
_MESSAGES = frozenset({"phase", "moved"}) | ASKS


@dataclass(frozen=True)
class Limits:
    """The budget of one file.

    Attributes:
        memory: Resident bytes; None for no limit. Checked twenty times a second, on Linux only.
        seconds: From start to end; None for no limit.
    """

    memory: int | None = None
    seconds: float | None = None


@dataclass
class _Child:
    """A child process.

    Attributes:
        pid: Its process id.
        messages: The pipe from it.
        permission: The pipe to it.
        received: Bytes of a message that is not complete yet.
        answer: The last message, which is the result.
        moving: Whether it is publishing now.
    """

    pid: int
    messages: int
    permission: int
    received: bytearray = field(default_factory=bytearray)
    answer: bytes = b""
    moving: bool = False


def confined(work: Callable[[], Any], source: Path, limits: Limits) -> Any:  # noqa: ANN401  the work's
    """Run ``work`` in a child process and return what it returns.

    Call it before threads are started and TensorFlow is imported: the child is a fork. Its temporary files are in a
    folder that is removed however the child ends.

    Args:
        work: Returns a JSON value.
        source: The file at work, for messages.
        limits: Its budget.

    Raises:
        Terminated: A signal came; the child has ended, and published nothing since.
        ConversionError: The one that the work raised.
        EnvironmentLacksError: The budget was exceeded, the system ended the process or could not start it.
        UnsafeFileError: A native library crashed.
        BrokenPipeError: The reader of the output is gone.
        RuntimeError: The work raised something unexpected; its traceback was printed if PLAINSERVE_TRACEBACK is set.
    """
    with termination_deferred() as signal_received, _temporary_folder(source) as folder:
        child = _start(work, folder)
        status: int | None = None
        try:
            _follow(child, limits, signal_received, source)
            status = _waited(child.pid)
        finally:
            if status is None:
                _end(child.pid)
            os.close(child.messages)
            os.close(child.permission)
    if status is None:
        raise UnsafeFileError("its process does not end", where=source.name)
    return child_result(child.answer, status, source)


@contextlib.contextmanager
def _temporary_folder(source: Path) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(locked_folder(Path(tempfile.gettempdir()), _TEMPORARY))
        except OSError as error:  # the text of FileNotFoundError lists the places that tempfile tried
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
    (messages, sending), (waiting, permission) = pipes
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        for end in (messages, sending, waiting, permission):
            os.close(end)
        raise (as_environment_error(error) or error) from error
    if not pid:
        os.close(messages)
        os.close(permission)
        run_child(work, Parent(parent, sending, waiting), folder)
    os.close(sending)
    os.close(waiting)
    return _Child(pid, messages, permission)


def _follow(child: _Child, limits: Limits, signal_received: Callable[[], int | None], source: Path) -> None:
    """Read the messages of a child until it closes its pipe; watch its budget and the signals of this process."""
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    deadline_to_move: float | None = None
    while True:
        if (number := signal_received()) is not None:
            deadline_to_move = deadline_to_move or time.monotonic() + _GRACE
            if not child.moving or time.monotonic() > deadline_to_move:
                raise Terminated(number)
        supervisor().waiting()
        if select.select([child.messages], [], [], _POLL)[0]:
            data = os.read(child.messages, _MIB)
            if not data:
                return
            child.received += data
            if b"\n" in data:
                _handle_messages(child, source, allowed=signal_received() is None)
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


def _handle_messages(child: _Child, source: Path, *, allowed: bool) -> None:
    """Handle the complete messages of a child, and give it permission if it asks for it and may have it."""
    *lines, rest = bytes(child.received).split(b"\n")
    child.received = bytearray(rest)
    for line in lines:
        if line.startswith(b"{"):
            child.answer = line
            continue
        try:
            kind, text = json.loads(line)
        except (ValueError, TypeError):
            kind = text = None
        if not isinstance(kind, str) or not isinstance(text, str) or kind not in _MESSAGES:
            raise UnsafeFileError("its process sent a message that is not allowed", where=source.name)
        _forward(child, kind, text, allowed=allowed)


def _forward(child: _Child, kind: str, text: str, *, allowed: bool) -> None:
    if kind in ASKS and not allowed:
        return
    notify = getattr(supervisor(), kind)
    notify() if kind in ASKS else notify(text)
    child.moving = kind == "moving" or (child.moving and kind != "moved")
    if kind in ASKS:
        with contextlib.suppress(BrokenPipeError):
            os.write(child.permission, b".")


def _resident(child: int) -> int:
    """Resident bytes of a process; 0 if the system does not provide them."""
    try:
        pages = Path(f"/proc/{child}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _end(child: int) -> None:
    """Terminate a child, so that it can clean up; kill it if it does not end."""
    os.kill(child, signal.SIGTERM)
    if _waited(child) is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _waited(child: int) -> int | None:
    """Wait for a child that is about to end, and return its status; None if it does not end."""
    end = time.monotonic() + _GRACE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(_POLL / 10)
    return None
