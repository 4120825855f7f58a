"""The requests of one stream that have no answer yet, and when the next is read.

A client that sends and does not read makes answers pile up; it is no longer listened to until it reads. How large the
answers will be is judged by the largest so far.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from serving.errors import StoppingError

if TYPE_CHECKING:
    from serving.services.method_handlers import Traffic

FIRST = 16
"""Requests that are read before the size of an answer is known."""

MOST = 64 << 20
"""Bytes of requests and of expected answers from which no more are read; a request alone may have more."""


class LoadsInProgress:
    """What one stream has under way; each request has one answer, in their order.

    Args:
        traffic: Told of each request and its end.
        peer: The connection.
    """

    def __init__(self, traffic: "Traffic", peer: str) -> None:
        self._traffic = traffic
        self._peer = peer
        self._held: deque[int] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._largest = 0
        self._cut = False
        self._room = asyncio.Event()

    async def requests(self, data: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What arrives, until the server takes no more."""
        async for each in data:
            if self._traffic.closed:
                self._cut = True
                return
            self._sizes.append(len(each))
            self._held.append(0)
            self._bytes += len(each)
            self._traffic.under_way += 1
            yield each
            while self._full():
                self._room.clear()
                await self._room.wait()

    def hold(self, size: int) -> None:
        """Count bytes of the last request among those of all connections.

        Args:
            size: Its bytes, as it came, or once it is unpacked.

        Raises:
            QueueFullError: There are too many of those.
        """
        self._traffic.requests.take(size, self._peer)
        self._held[-1] += size
        self._bytes += size - self._sizes[-1]
        self._sizes[-1] = size

    def answering(self, answer: bytes) -> bytes:
        """An answer is about to be handed over; gRPC takes it when the client has read those before."""
        self._largest = max(self._largest, len(answer))
        self._room.set()
        return answer

    def answered(self) -> None:
        """It is on its way."""
        self._bytes -= self._sizes.popleft()
        if held := self._held.popleft():
            self._traffic.requests.release(held, self._peer)
        self._room.set()
        self._traffic.under_way -= 1

    def end(self) -> None:
        """Forget those that will have no answer."""
        while self._sizes:
            self.answered()

    def check_complete(self) -> None:
        """Whether the client said all it wanted to.

        Raises:
            StoppingError: The server had enough before that.
        """
        if self._cut:
            raise StoppingError("the server is stopping; send the rest to another, or later")

    def _full(self) -> bool:
        count = len(self._sizes)
        if not self._largest:
            return count >= FIRST or self._bytes > MOST
        return self._bytes + count * self._largest > MOST and count > 0
