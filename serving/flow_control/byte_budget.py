"""Limits the bytes of large messages in memory: requests until they are answered, answers until they are read.

gRPC accepts an answer from its handler at once and buffers it until the client has read it. Many large answers to a
client that reads slowly, or not at all, would fill the memory. So their bytes are counted, and further ones are
refused when a limit is reached.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.errors import QueueFullError
from serving.transport.transport import Call

LARGE = 64 << 10
"""Bytes above which a message is counted. gRPC's own buffers are as large."""

RETRY = 1.0
"""Seconds after which a client may try again. A guess: the server cannot know how fast other clients read."""

MIB = 1 << 20

CURRENT_CALL: "ContextVar[Call | None]" = ContextVar("CURRENT_CALL", default=None)
"""The call that is being answered, for counting bytes that did not arrive in its message."""


class ByteBudget:
    """Counts the bytes of messages of one kind. A single message may be of any size.

    Args:
        limit: The most bytes of all connections together.
        connection_limit: The most bytes of one connection.
        what: Which messages these are, for error texts.
    """

    def __init__(self, limit: int, connection_limit: int, what: str) -> None:
        self._limit = limit
        self._connection_limit = connection_limit
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
            QueueFullError: The limit would be exceeded.
        """
        peer = call.peer
        self.take(size, peer)
        call.on_end(lambda: self.release(size, peer))

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count bytes of the current call that are not in its message, such as shared memory, unless they are few.

        Raises:
            QueueFullError: The limit would be exceeded.
        """
        if size <= LARGE:
            yield
            return
        call = CURRENT_CALL.get()
        peer = call.peer if call is not None else ""
        self.take(size, peer)
        try:
            yield
        finally:
            self.release(size, peer)

    def take(self, size: int, peer: str) -> None:
        """Count a message of a connection until :meth:`release`.

        Raises:
            QueueFullError: The limit would be exceeded.
        """
        held = self._peers.get(peer, 0)
        for before, limit in ((held, self._connection_limit), (self._total, self._limit)):
            if before and before + size > limit:
                text = f"{self._what} take {before / MIB:.0f} MiB, and {limit / MIB:.0f} is the limit"
                raise QueueFullError(f"{text}; have fewer requests in flight", retry_after=RETRY)
        self._peers[peer] = held + size
        self._total += size

    def has_room(self, size: int) -> bool:
        """Whether messages that take so many bytes together could be taken, whatever connections they are of."""
        held = max(self._peers.values(), default=0)
        return held + size <= self._connection_limit and self._total + size <= self._limit

    def release(self, size: int, peer: str) -> None:
        """Stop counting a message."""
        self._total -= size
        left = self._peers[peer] - size
        if left:
            self._peers[peer] = left
        else:
            del self._peers[peer]
