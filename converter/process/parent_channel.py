"""The life of a confined process, and its parent, which is told what is done and gives leave to go on.

What is told are lines of JSON in one pipe: a kind and a text. Leave is a byte in the other. The end of that pipe is
the end of the parent; then this process ends at once, in whatever library it may be, except between two moves of one
publication. On Linux the system sees to it too, for a library may hold the interpreter's lock for long.
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
from converter.process.termination import Ended, heeded

ASKS = frozenset({"printing", "moving"})
"""What waits for leave."""

ENDED = 128 + signal.SIGTERM
"""The exit code of one that was told to end."""

_PR_SET_PDEATHSIG = 1


class Parent(Supervisor):
    """To be made in the child, right after the fork.

    Args:
        pid: The parent's number.
        telling: The pipe to it.
        leave: The pipe from it.
    """

    def __init__(self, pid: int, telling: int, leave: int) -> None:
        self._pid = pid
        self._telling = telling
        self._leave = leave
        self._allowed = threading.Semaphore(0)
        self._between_moves = threading.Lock()
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def watch(self) -> None:
        """From now on, end with the parent."""
        self._end_with_it()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, message: Any) -> None:  # noqa: ANN401  whatever JSON can hold
        """Send a message; if the parent is gone, nobody hears it."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._telling, data) :]

    def phase(self, text: str) -> None:
        """Tell it."""
        self.tell(["phase", text])

    def printing(self) -> None:
        """Wait until the terminal's line is cleared."""
        self._ask("printing")

    def moving(self) -> None:
        """Wait for leave; a parent that was told to end gives none, and ends this process."""
        self._ask("moving")
        self._between_moves.acquire()
        self._end_with_it(signal_number=0)

    def moved(self, place: str) -> None:
        """Tell it."""
        self.tell(["moved", place])
        self._between_moves.release()
        self._end_with_it()

    def _ask(self, what: str) -> None:
        self.tell([what, ""])
        self._allowed.acquire()

    def _listen(self) -> None:
        while os.read(self._leave, 1):
            self._allowed.release()
        self._end()

    def _end_with_it(self, signal_number: int = signal.SIGKILL) -> None:
        if self._libc:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if signal_number and os.getppid() != self._pid:  # it ended before this could be asked for
            self._end()

    def _end(self) -> None:
        with self._between_moves:
            os.kill(os.getpid(), signal.SIGKILL)


def live(work: Callable[[], Any], parent: Parent, folder: Path) -> NoReturn:
    """Do the work, tell the parent what came of it, and end: it never returns into the parent's code.

    Args:
        work: Returns something that JSON can hold.
        parent: Hears ``{"done": ...}``, or why it was not done.
        folder: For temporary files.
    """
    # A terminal sends these to both; what is to be done then, the parent says with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.unraisablehook = _unraisable
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        with heeded(signal.SIGTERM), supervised_by(parent):
            parent.watch()
            parent.tell(_answer(work))
            os._exit(0)
    except Ended:
        os._exit(ENDED)
    except BaseException:  # noqa: BLE001  such as SystemExit, raised by the user's own code
        os._exit(1)


def _unraisable(raised: "sys.UnraisableHookArgs") -> None:
    """End where the signal came during a finaliser, which would swallow what it raises."""
    if isinstance(raised.exc_value, Ended):
        os._exit(ENDED)
    sys.__unraisablehook__(raised)


def _answer(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"done": work()}
    except BrokenPipeError:
        return {"left": True}
    except Exception as error:  # noqa: BLE001  the parent reports it
        known = as_environment_error(error) or error
        if isinstance(known, ConversionError):
            told = {name: getattr(known, name) for name in ("what", "where", "hint")}
            return {"error": type(known).__name__, **told}
        if os.environ.get("PLAINSERVE_TRACEBACK"):
            traceback.print_exc()
        return {"unexpected": f"{type(error).__name__}: {error}"}
