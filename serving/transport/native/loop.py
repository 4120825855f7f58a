"""An asyncio event loop that waits for its own files and for a front end's sockets in one system call.

A front end that is one of asyncio's files would be waited for twice in each turn.
"""

import asyncio
import selectors
from collections.abc import Callable

from serving.transport.native._frontend import FrontEnd


class FrontEndLoop(asyncio.SelectorEventLoop):
    """An event loop that a front end can be attached to."""

    def __init__(self) -> None:
        self._waits = _FrontEndSelector()
        super().__init__(self._waits)

    def attach(self, front_end: FrontEnd, turn: Callable[[float], None]) -> None:
        """Wait for a front end too.

        Args:
            front_end: The front end; one for each loop.
            turn: Has the front end wait for some seconds (negative: for ever), and does what there is to do. Called
                between callbacks.
        """
        front_end.watch(self._waits.fileno())
        self._waits.attached = front_end, turn

    def detach(self) -> None:
        """Wait for asyncio's files alone again."""
        self._waits.attached = None


class _FrontEndSelector(selectors.EpollSelector):
    attached: tuple[FrontEnd, Callable[[float], None]] | None = None

    def select(self, timeout: float | None = None) -> "list[tuple[selectors.SelectorKey, int]]":
        if self.attached is None:
            return super().select(timeout)
        front_end, turn = self.attached
        turn(-1.0 if timeout is None else max(0.0, timeout))
        return super().select(0) if front_end.foreign else []
