"""The requests in flight: how many there are, what they hold, and whether there is room for another large one."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from serving.flow_control.byte_budget import LARGE, ByteBudget
from serving.flow_control.decompression import Decompressor, compressed
from serving.flow_control.memory_pressure import MemoryPressure
from serving.metrics.calls import CallCounts
from serving.transport.transport import Call

SETTLED = 0.02
"""Seconds without a call after which none is thought to be on its way between the transport and its handler."""


class Peek(Protocol):
    """Looks at how a large request begins, and raises a ServingError if the rest shall not be read."""

    def model(self, data: bytes) -> None:
        """Look at a request that is whole."""

    def head(self, data: bytes) -> None:
        """Look at the first bytes that a compressed request unpacks to."""


class FlowControl:
    """Counts the requests in flight, so that stopping can wait for them and for nothing else, and bounds their bytes.

    Attributes:
        counts: Of all calls so far.
        closed: Whether streams take no more requests.
        requests: The bytes of large requests that are being answered.
        answers: The bytes of large answers that clients have yet to read.
        memory: Knows whether there is room for a large request.
        in_flight: Requests without an answer.

    Args:
        message_bytes: The largest request. Four times as many bytes may be held of the requests, and of the answers,
            of one connection, and sixteen times as many in all.
    """

    def __init__(self, message_bytes: int) -> None:
        most, most_each = 16 * message_bytes, 4 * message_bytes
        self.requests = ByteBudget(most, most_each, "requests that are being answered")
        self.answers = ByteBudget(most, most_each, "answers that were not read yet")
        self.memory = MemoryPressure(lambda: not (self.requests.total or self.answers.total))
        self.counts = CallCounts()
        self.closed = False
        self.in_flight = 0
        self._decompressor = Decompressor(message_bytes)

    async def received(self, data: bytes, peek: Peek, hold: Callable[[int], None]) -> bytes:
        """A large or compressed request as its client wrote it.

        Args:
            data: What arrived.
            peek: Looks at how it begins.
            hold: Told of its bytes if they are many: as they arrived, and once they are unpacked.

        Raises:
            ServingError: It cannot be unpacked or is too large, there is no room for it, or ``peek`` or ``hold``
                refuses it.
        """
        self._make_room(len(data), hold)
        if not compressed(data):
            peek.model(data)
            return data
        data = await self._decompressor.unpack(data, peek.head)
        self._make_room(len(data), hold)
        return data

    def _make_room(self, size: int, hold: Callable[[int], None]) -> None:
        if size > LARGE:
            self.memory.check(size)
            hold(size)

    def hand_over(self, size: int, call: Call) -> None:
        """Count a large answer until its client, which may take its time, has read it.

        Raises:
            QueueFullError: Too many bytes of answers were not read yet.
        """
        self.answers.hold(size, call)
        self.in_flight += 1
        call.on_end(self._read)

    def _read(self) -> None:
        self.in_flight -= 1

    def close(self) -> None:
        """Let streams take no more requests. New calls are refused by others."""
        self.closed = True

    async def idle(self) -> None:
        """Wait until no request is in flight, and none follows."""
        quiet = False
        while self.in_flight or not quiet:
            # Polled: an event would be set and cleared for each request.
            quiet = not self.in_flight
            await asyncio.sleep(SETTLED)
