"""Bytes of large messages that are held for clients: requests until they are answered, answers until they are taken.

gRPC takes an answer from its handler at once and keeps it until the client has read it. Many large answers to a
client that reads slowly, or not at all, would fill the memory; so they are counted, and from some number of bytes on
refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.errors import QueueFullError
from serving.transport.transport import Call

LARGE = 64 << 10
"""Bytes from which a message is counted: gRPC's own buffers are as large."""

RETRY = 1.0
"""Seconds after which a client may try again: nobody knows how fast others read."""

MIB = 1 << 20

CALL: "ContextVar[Call | None]" = ContextVar("CALL", default=None)
"""The call that is being answered, for what counts bytes that did not come with its message."""


class ByteBudget:
    """Counts the bytes of messages of one kind. A single message may be of any size.

    Args:
        most: Bytes in all.
        most_each: Bytes of one connection.
        what: What the messages are doing, for the text of a refusal.
    """

    def __init__(self, most: int, most_each: int, what: str) -> None:
        self._most = most
        self._most_each = most_each
        self._what = what
        self._total = 0
        self._peers: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Bytes that are held now."""
        return self._total

    def hold(self, size: int, call: Call) -> None:
        """Count a message until its call is over.

        Raises:
            QueueFullError: With it they would be too many bytes.
        """
        peer = call.peer
        self.take(size, peer)
        call.on_end(lambda: self.release(size, peer))

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count bytes that came another way than with a message of the present call; small ones are not counted.

        Raises:
            QueueFullError: With them they would be too many bytes.
        """
        if size <= LARGE:
            yield
            return
        call = CALL.get()
        peer = call.peer if call is not None else ""
        self.take(size, peer)
        try:
            yield
        finally:
            self.release(size, peer)

    def take(self, size: int, peer: str) -> None:
        """Count a message of a connection until :meth:`release`.

        Raises:
            QueueFullError: With it they would be too many bytes.
        """
        held = self._peers.get(peer, 0)
        for before, most in ((held, self._most_each), (self._total, self._most)):
            if before and before + size > most:
                text = f"{self._what} take {before / MIB:.0f} MiB, and {most / MIB:.0f} is the limit"
                raise QueueFullError(f"{text}; have fewer under way at once", retry_after=RETRY)
        self._peers[peer] = held + size
        self._total += size

    def release(self, size: int, peer: str) -> None:
        """Count it no more."""
        self._total -= size
        left = self._peers[peer] - size
        if left:
            self._peers[peer] = left
        else:
            del self._peers[peer]
