"""Runs work on an untrusted file in a process of its own, within a time and a memory budget.

The reader refuses what it knows to be dangerous. What it does not know of, a crash or an endless loop in a
native library, ends here as one clear error, and the command goes on with the next file.

The work's process answers with JSON through a pipe: a process that a hostile file took over can send wrong
figures, but nothing that is run. It shares stdout and stderr.
"""

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from converter import errors
from converter.errors import ConversionError, EnvironmentLacksError, UnsafeFileError

_LOOK = 0.05  # seconds between two looks at the memory
_GRACE = 3.0  # seconds to clean up after SIGTERM
_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What one file may cost.

    Attributes:
        memory: Resident bytes; None for any number. It is looked at twenty times a second, on Linux.
        seconds: From start to end; None for any number.
    """

    memory: int | None = None
    seconds: float | None = None


def confined(work: Callable[[], Any], source: Path, limits: Limits) -> Any:  # noqa: ANN401  the work's
    """Run ``work`` in a child process and return what it returns.

    To be called before threads are started and TensorFlow is imported: the child is a fork. Its temporary
    files lie in a folder that is removed whatever becomes of it.

    Args:
        work: Returns something that JSON can hold.
        source: The file at work, for messages.
        limits: Its budget.

    Raises:
        ConversionError: The one that the work raised.
        EnvironmentLacksError: The budget was exceeded, or the system ended the process.
        UnsafeFileError: A native library crashed.
        RuntimeError: The work raised something unexpected; its traceback was printed if that was asked for.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="plainserve-", ignore_cleanup_errors=True) as folder:
        child = os.fork()
        if not child:
            os.close(reading)
            _work(work, writing, folder)
        os.close(writing)
        answer = bytearray()
        status: int | None = None
        try:
            _follow(child, reading, answer, limits, source)
            status = _waited(child)
        finally:
            os.close(reading)
            if status is None:
                _end(child)
    if status is None:
        raise UnsafeFileError("its process does not end", where=source.name)
    return _result(bytes(answer), status, source)


def _work(work: Callable[[], Any], writing: int, folder: str) -> NoReturn:
    """The child's life. It never returns into the parent's code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is staged is removed
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        answer: dict[str, Any] = {"done": work()}
    except ConversionError as error:
        answer = {
            "error": type(error).__name__,
            "what": error.what,
            "where": error.where,
            "hint": error.hint,
        }
    except MemoryError:
        answer = {"memory": True}
    except KeyboardInterrupt:
        os._exit(130)
    except SystemExit:
        os._exit(1)
    except BaseException as error:  # noqa: BLE001  the parent reports it
        if os.environ.get("PLAINSERVE_TRACEBACK"):
            traceback.print_exc()
        answer = {"unexpected": f"{type(error).__name__}: {error}"}
    with contextlib.suppress(OSError), open(writing, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _follow(child: int, reading: int, answer: bytearray, limits: Limits, source: Path) -> None:
    """Collect the answer until the child closes the pipe, with an eye on its budget."""
    end = None if limits.seconds is None else time.monotonic() + limits.seconds
    while True:
        if select.select([reading], [], [], _LOOK)[0]:
            data = os.read(reading, _MIB)
            if not data:
                return
            answer += data
        if end is not None and time.monotonic() > end:
            raise EnvironmentLacksError(
                f"took longer than {limits.seconds:g} s",
                where=source.name,
                hint="Give it more with --timeout.",
            )
        if limits.memory is not None and _resident(child) > limits.memory:
            raise EnvironmentLacksError(
                f"took more than {limits.memory // _MIB:,} MiB of memory",
                where=source.name,
                hint="Give it more with --max-memory.",
            )


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


def _result(answer: bytes, status: int, source: Path) -> Any:  # noqa: ANN401  what the work returned
    if os.WIFSIGNALED(status):
        _raise_signal(os.WTERMSIG(status), source)
    if os.waitstatus_to_exitcode(status) == 130:
        raise KeyboardInterrupt
    try:
        found = json.loads(answer)
    except ValueError:
        raise UnsafeFileError("ended its process without an answer", where=source.name) from None
    if "done" in found:
        return found["done"]
    if "error" in found:
        kind = getattr(errors, str(found["error"]), None)
        kind = kind if isinstance(kind, type) and issubclass(kind, ConversionError) else UnsafeFileError
        raise kind(found["what"], where=found["where"], hint=found["hint"])
    if "memory" in found:
        raise EnvironmentLacksError("needs more memory than there is", where=source.name)
    raise RuntimeError(found["unexpected"])


def _raise_signal(number: int, source: Path) -> NoReturn:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        raise EnvironmentLacksError(
            "was ended by the system (SIGKILL), most often for want of memory", where=source.name
        )
    raise UnsafeFileError(
        f"crashed a native library ({name})",
        where=source.name,
        hint="The file is damaged or hostile; if it loads in Keras, this is a defect to report.",
    )
