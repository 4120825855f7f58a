"""Counts the requests in flight, limits the bytes they hold, and decides whether another large one is accepted."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from serving.errors import QueueFullError
from serving.flow_control.byte_budget import LARGE, ByteBudget
from serving.flow_control.decompression import Decompressor, compressed
from serving.flow_control.memory_pressure import MemoryPressure
from serving.metrics.call_counts import CallCounts
from serving.transport.transport import Call

SETTLED = 0.02
"""Seconds without a request in flight after which none is expected between the transport and its handler."""


class Peek(Protocol):
    """Looks at the beginning of a large request, and raises a ServingError to refuse it before the rest is read."""

    def model(self, data: bytes) -> None:
        """Look at a complete request."""

    def head(self, data: bytes) -> None:
        """Look at the first bytes of a compressed request, decompressed."""


class FlowControl:
    """Counts the requests in flight, so that a server that stops waits for them alone, and limits their bytes.

    Attributes:
        counts: Counts all calls so far, for metrics.
        closed: Whether streams accept no more requests.
        requests: The budget for large requests that are being answered.
        answers: The budget for large answers that clients have not read yet.
        memory: Says whether there is memory for a large request.
        in_flight: Requests without an answer, and large answers that clients have not read yet.

    Args:
        message_bytes: The largest request. The requests of one connection may hold four times as many bytes, those of
            all connections sixteen times as many; likewise the answers.
    """

    def __init__(self, message_bytes: int) -> None:
        limit, connection_limit = 16 * message_bytes, 4 * message_bytes
        self.requests = ByteBudget(limit, connection_limit, "requests that are being answered")
        self.answers = ByteBudget(limit, connection_limit, "answers that were not read yet")
        self.memory = MemoryPressure(lambda: not (self.requests.total or self.answers.total))
        self.counts = CallCounts()
        self.closed = False
        self.in_flight = 0
        self._decompressor = Decompressor(message_bytes)

    async def unpack(self, data: bytes, peek: Peek, hold: Callable[[int], None]) -> bytes:
        """Accept a large or compressed request, and decompress it.

        Args:
            data: The request as it arrived.
            peek: Looks at its beginning.
            hold: Counts its bytes if it is large: as it arrived, and once it is decompressed.

        Raises:
            ServingError: The request cannot be decompressed or is too large, there is no memory for it, or ``peek``
                or ``hold`` refuses it.
        """
        self._reserve(len(data), hold)
        if not compressed(data):
            peek.model(data)
            return data
        data = await self._decompressor.unpack(data, peek.head)
        self._reserve(len(data), hold)
        return data

    def _reserve(self, size: int, hold: Callable[[int], None]) -> None:
        if size > LARGE:
            self.memory.check(size)
            hold(size)

    def has_room(self, size: int, count: int) -> bool:
        """Whether :meth:`unpack` would accept several requests of the same size at once, whatever calls they are of.

        The requests are not counted: this is for requests that are answered before the event loop goes on.
        """
        if size <= LARGE:
            return True
        try:
            self.memory.check(size * count)
        except QueueFullError:
            return False
        return self.requests.has_room(size * count)

    def track_answer(self, size: int, call: Call) -> None:
        """Count a large answer until the client has read it.

        Raises:
            QueueFullError: Clients have not read too many bytes of earlier answers.
        """
        self.answers.hold(size, call)
        self.in_flight += 1
        call.on_end(self._answer_read)

    def _answer_read(self) -> None:
        self.in_flight -= 1

    def close(self) -> None:
        """Have streams accept no more requests. New calls are refused elsewhere, by admission."""
        self.closed = True

    async def idle(self) -> None:
        """Wait until no request has been in flight for a moment."""
        quiet = False
        while self.in_flight or not quiet:
            # Polled, because an event would have to be set and cleared for each request.
            quiet = not self.in_flight
            await asyncio.sleep(SETTLED)
