"""Back-pressure on a stream: bounds its requests without an answer, and delays reading the next.

When a client sends requests but does not read the answers, the answers accumulate. So no more of its requests are
read until it reads. An answer that is not known yet is assumed to be as large as the largest so far.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from serving.errors import StoppingError
from serving.flow_control.flow_control import FlowControl
from serving.transport.transport import Stream

INITIAL_REQUESTS = 16
"""Requests that are read before the size of any answer is known."""

MAX_BYTES = 64 << 20
"""Bytes of requests and expected answers above which no more requests are read. A single request may have more."""


class StreamWindow:
    """The requests of one stream that are in flight. Each has one answer, in the order of the requests.

    Args:
        stream: The stream.
        flow: Counts the requests in flight, and the bytes that they hold.
    """

    def __init__(self, stream: Stream, flow: FlowControl) -> None:
        self._stream = stream
        self._flow = flow
        self._peer = stream.peer
        self._held: deque[int] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._largest = 0
        self._stopped_reading = False
        self._room = asyncio.Event()

    async def requests(self) -> AsyncIterator[bytes]:
        """The requests as they arrive, until the client has sent all or the server accepts no more."""
        while (each := await self._stream.receive()) is not None:
            if self._flow.closed:
                self._stopped_reading = True
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
        """Take bytes for the latest request from the budget of all connections.

        Args:
            size: The bytes of the request as it arrived, or once it is decompressed.

        Raises:
            QueueFullError: A limit of the budget would be exceeded.
        """
        self._flow.requests.take(size, self._peer)
        self._held[-1] += size
        self._bytes += size - self._sizes[-1]
        self._sizes[-1] = size

    async def answer(self, message: bytes) -> None:
        """Send the answer to the oldest request. Returns when there is room for another answer."""
        self._largest = max(self._largest, len(message))
        self._room.set()
        await self._stream.send(message)
        self._answered()

    def end(self) -> None:
        """Release the requests that will have no answer."""
        while self._sizes:
            self._answered()

    def check_complete(self) -> None:
        """Check that all requests that the client sent were read.

        Raises:
            StoppingError: The server is stopping, and stopped reading before the end.
        """
        if self._stopped_reading:
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
            return count >= INITIAL_REQUESTS or self._bytes > MAX_BYTES
        return self._bytes + count * self._largest > MAX_BYTES and count > 0
