"""How the command is told to end, and what it finishes before it does.

SIGINT, SIGTERM and SIGHUP raise ``Ended`` wherever the main thread stands, unless it stands in a ``held`` block: then
that is finished first. So what was begun in such a block, as a child or a move, is never left half done.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The process was told to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """What a shell says of a command that a signal ended: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.number


@dataclass
class _State:
    told: int | None = None
    holding: int = 0


_state = _State()


@contextlib.contextmanager
def heeded(*signals: signal.Signals) -> Iterator[None]:
    """Raise ``Ended`` in this block when one of the signals comes.

    A signal that is ignored, as ``nohup`` and a shell's background jobs arrange, stays ignored. Outside of the main
    thread, which alone can heed signals, this does nothing.
    """
    _state.told, _state.holding = None, 0  # a fork has them from its parent
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
        _state.told = None


@contextlib.contextmanager
def held() -> Iterator[Callable[[], int | None]]:
    """Finish this block before ending; it may ask which signal has come, and finish sooner.

    Raises:
        Ended: At the end of the block, whatever else it raised, if a signal came.
    """
    _state.holding += 1
    try:
        yield lambda: _state.told
    finally:
        _state.holding -= 1
        if _state.told is not None:
            raise Ended(_state.told) from None


def _note(number: int, _: FrameType | None) -> None:
    _state.told = number
    if not _state.holding:
        raise Ended(number)
