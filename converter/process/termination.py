"""Handles the signals that terminate the command.

SIGINT, SIGTERM and SIGHUP raise ``Terminated`` in the main thread, at any line, except in a ``termination_deferred``
block, which is finished first. So what such a block begins, such as a child or a move, is never left half done.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """A signal terminates the process.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """The exit code by which shells report a signal: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number


@dataclass
class _State:
    received: int | None = None
    deferred: int = 0


_state = _State()


@contextlib.contextmanager
def terminated_by(*signals: signal.Signals) -> Iterator[None]:
    """Raise ``Terminated`` in this block when one of the signals comes.

    A signal that is ignored, as under ``nohup`` and in background jobs of a shell, stays ignored. Outside of the main
    thread, which alone can handle signals, this does nothing.
    """
    _state.received, _state.deferred = None, 0  # a fork inherits them from its parent
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signals}
    mine = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in mine:
            signal.signal(number, _note)
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
        _state.received = None


@contextlib.contextmanager
def termination_deferred() -> Iterator[Callable[[], int | None]]:
    """Finish this block before a signal terminates the process.

    Yields:
        A function that returns the signal that has come, or None; the block may then finish sooner.

    Raises:
        Terminated: At the end of the block, whatever else it raised, if a signal came.
    """
    _state.deferred += 1
    try:
        yield lambda: _state.received
    finally:
        _state.deferred -= 1
        if _state.received is not None:
            raise Terminated(_state.received) from None


def _note(number: int, _: FrameType | None) -> None:
    _state.received = number
    if not _state.deferred:
        raise Terminated(number)
