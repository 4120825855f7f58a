"""An asyncio event loop that waits for its own files and for a front end's sockets in one system call.

A front end that is one of asyncio's files would be waited for twice in each turn. What asyncio does around each of
its waits is left out as long as the front end alone has something to do.
"""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from time import monotonic

from serving.transport.native._frontend import FrontEnd


class FrontEndLoop(asyncio.SelectorEventLoop):
    """An event loop that a front end can be attached to.

    Attributes:
        scheduled: Whether a callback was scheduled since this was last set to False.
    """

    def __init__(self) -> None:
        self.scheduled = False
        self._waits = _FrontEndSelector(self)
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

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback."""
        self.scheduled = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback for a time."""
        self.scheduled = True
        return super().call_at(when, callback, *args, context=context)


class _FrontEndSelector(selectors.EpollSelector):
    def __init__(self, loop: FrontEndLoop) -> None:
        super().__init__()
        self._loop = loop
        self.attached: tuple[FrontEnd, Callable[[float], None]] | None = None

    def select(self, timeout: float | None = None) -> "list[tuple[selectors.SelectorKey, int]]":
        if self.attached is None:
            return super().select(timeout)
        front_end, turn = self.attached
        loop = self._loop
        left, until = (-1.0, None) if timeout is None else (max(0.0, timeout), monotonic() + timeout)
        loop.scheduled = False
        while True:
            turn(left)
            if front_end.foreign:
                return super().select(0)
            if loop.scheduled or self.attached is None:
                return []
            if until is not None and (left := until - monotonic()) <= 0:
                return []
