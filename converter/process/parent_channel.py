"""The child's side of ``isolation``: runs the work, reports to the parent, and asks it for permission.

The child sends lines of JSON through one pipe: a kind and a text. A byte in the other pipe is the permission to go
on. The end of that pipe means that the parent has ended; then the child ends at once, whatever it is doing, except
between two moves of one publication. On Linux the kernel ends it as well, because a library may hold the
interpreter's lock for long.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from converter.errors import ConversionError
from converter.process.environment_errors import as_environment_error
from converter.process.supervisor import Supervisor, supervised_by
from converter.process.termination import Terminated, terminated_by

ASKS = frozenset({"printing", "moving"})
"""The messages that ask for permission."""

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a child that was terminated."""

_PR_SET_PDEATHSIG = 1


class Parent(Supervisor):
    """The parent, as the child sees it; make it right after the fork.

    Args:
        pid: Process id of the parent.
        messages: The pipe to it.
        permission: The pipe from it.
    """

    def __init__(self, pid: int, messages: int, permission: int) -> None:
        self._pid = pid
        self._messages = messages
        self._permission = permission
        self._allowed = threading.Semaphore(0)
        self._between_moves = threading.Lock()
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def watch(self) -> None:
        """From now on, end when the parent ends."""
        self._end_with_it()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, message: Any) -> None:  # noqa: ANN401  a JSON value
        """Send a message; it is lost if the parent has ended."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._messages, data) :]

    def phase(self, text: str) -> None:
        """Report it."""
        self.send(["phase", text])

    def printing(self) -> None:
        """Wait until the progress line is cleared."""
        self._ask("printing")

    def moving(self) -> None:
        """Wait for permission; a parent that is being terminated gives none, and ends this process."""
        self._ask("moving")
        self._between_moves.acquire()
        self._end_with_it(signal_number=0)

    def moved(self, place: str) -> None:
        """Report it."""
        self.send(["moved", place])
        self._between_moves.release()
        self._end_with_it()

    def _ask(self, what: str) -> None:
        self.send([what, ""])
        self._allowed.acquire()

    def _listen(self) -> None:
        while os.read(self._permission, 1):
            self._allowed.release()
        self._end()

    def _end_with_it(self, signal_number: int = signal.SIGKILL) -> None:
        if self._libc:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if signal_number and os.getppid() != self._pid:  # the parent ended before this call
            self._end()

    def _end(self) -> None:
        with self._between_moves:
            os.kill(os.getpid(), signal.SIGKILL)


def run_child(work: Callable[[], Any], parent: Parent, folder: Path) -> NoReturn:
    """Do the work, send the result to the parent, and end the process: never return into the code of the parent.

    Args:
        work: Returns a JSON value.
        parent: Gets ``{"done": ...}``, or the reason why it was not done.
        folder: For temporary files.
    """
    # A terminal sends these to parent and child; the parent then terminates the child with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.unraisablehook = _unraisable
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        with terminated_by(signal.SIGTERM), supervised_by(parent):
            parent.watch()
            parent.send(_answer(work))
            os._exit(0)
    except Terminated:
        os._exit(TERMINATED)
    except BaseException:  # noqa: BLE001  such as SystemExit, raised by the user's own code
        os._exit(1)


def _unraisable(raised: "sys.UnraisableHookArgs") -> None:
    """End if the signal came during a finaliser, which would swallow the exception."""
    if isinstance(raised.exc_value, Terminated):
        os._exit(TERMINATED)
    sys.__unraisablehook__(raised)


def _answer(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"done": work()}
    except BrokenPipeError:
        return {"left": True}
    except Exception as error:  # noqa: BLE001  the parent reports it
        known = as_environment_error(error) or error
        if isinstance(known, ConversionError):
            fields = {name: getattr(known, name) for name in ("what", "where", "hint")}
            return {"error": type(known).__name__, **fields}
        if os.environ.get("PLAINSERVE_TRACEBACK"):
            traceback.print_exc()
        return {"unexpected": f"{type(error).__name__}: {error}"}
