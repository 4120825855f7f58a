"""The requests of one stream that have no answer yet, and when the next is read: flow control by back-pressure.

A client that sends and does not read makes answers pile up; no more of its requests are read until it reads. The size
of an answer that is yet to come is taken to be that of the largest so far.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from serving.errors import StoppingError
from serving.flow_control.flow_control import FlowControl
from serving.transport.transport import Stream

FIRST = 16
"""Requests that are read before the size of an answer is known."""

MOST = 64 << 20
"""Bytes of requests and of expected answers from which no more are read; a request alone may have more."""


class StreamWindow:
    """What one stream has in flight; each request has one answer, in their order.

    Args:
        stream: The stream.
        flow: Told of each request and its end.
    """

    def __init__(self, stream: Stream, flow: FlowControl) -> None:
        self._stream = stream
        self._flow = flow
        self._peer = stream.peer
        self._held: deque[int] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._largest = 0
        self._cut = False
        self._room = asyncio.Event()

    async def requests(self) -> AsyncIterator[bytes]:
        """The requests as they arrive, until the server takes no more."""
        while (each := await self._stream.receive()) is not None:
            if self._flow.closed:
                self._cut = True
                return
            self._sizes.append(len(each))
            self._held.append(0)
            self._bytes += len(each)
            self._flow.in_flight += 1
            yield each
            while self._full():
                self._room.clear()
                await self._room.wait()

    def hold(self, size: int) -> None:
        """Count bytes of the last request among those of all connections.

        Args:
            size: Its bytes, as it arrived, or once it is unpacked.

        Raises:
            QueueFullError: There are too many of those.
        """
        self._flow.requests.take(size, self._peer)
        self._held[-1] += size
        self._bytes += size - self._sizes[-1]
        self._sizes[-1] = size

    async def answer(self, message: bytes) -> None:
        """Send the answer to the oldest request. Returns when the client has read those before it."""
        self._largest = max(self._largest, len(message))
        self._room.set()
        await self._stream.send(message)
        self._answered()

    def end(self) -> None:
        """Forget the requests that will have no answer."""
        while self._sizes:
            self._answered()

    def check_complete(self) -> None:
        """Check that all requests of the client were read.

        Raises:
            StoppingError: The server stopped reading before that.
        """
        if self._cut:
            raise StoppingError("the server is stopping; send the rest to another, or later")

    def _answered(self) -> None:
        self._bytes -= self._sizes.popleft()
        if held := self._held.popleft():
            self._flow.requests.release(held, self._peer)
        self._room.set()
        self._flow.in_flight -= 1

    def _full(self) -> bool:
        count = len(self._sizes)
        if not self._largest:
            return count >= FIRST or self._bytes > MOST
        return self._bytes + count * self._largest > MOST and count > 0
