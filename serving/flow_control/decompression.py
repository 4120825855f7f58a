"""Decompresses requests in place of gRPC's core, a piece at a time.

The core decompresses each message as soon as it is complete, before anything can refuse it: sixty kilobytes become
sixty megabytes, once for each stream of a connection, even if the connection is already lost. So the core is
configured to pass messages on as they arrived (``grpc.per_message_decompression``).

The core does not say whether a message is compressed, but its first byte does: read as a tag of protobuf, gzip's has
a wire type that does not exist, and zlib's is that of field 15, with which no request begins.

Source: RFC 1952, 2.3.1; RFC 1950, 2.2.
"""

import asyncio
import zlib
from collections.abc import Callable

from serving.dataplane.large_message_thread import off_loop
from serving.errors import InvalidInputError, TooLargeError

_FIRST = frozenset(b"\x1f\x78")

_GZIP = b"\x1f\x8b"

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""Tells zlib to accept either format, gzip or zlib."""

HEAD = 64 << 10
"""Bytes that are decompressed on the event loop. Most messages have no more."""

PIECE = 1 << 20
"""Bytes of the rest that are decompressed at a time, on a thread. A call can be cancelled between two pieces."""


def compressed(data: bytes) -> bool:
    """Whether a message is compressed."""
    if not data or data[0] not in _FIRST:
        return False
    return data.startswith(_GZIP) or (len(data) > 1 and (data[0] << 8 | data[1]) % 31 == 0)


class Decompressor:
    """Decompresses one large message at a time. Others wait in compressed form.

    Args:
        limit: The most bytes of a decompressed message.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._one_at_a_time = asyncio.Lock()

    async def unpack(self, data: bytes, peek: Callable[[bytes], None]) -> bytes:
        """Decompress a message.

        Args:
            data: The compressed message.
            peek: Called with the first bytes of a large message before the rest is decompressed; raises to refuse it.

        Raises:
            InvalidInputError: The message is damaged.
            TooLargeError: It exceeds the limit.
        """
        unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
        head = _piece(unpacking, data, min(HEAD, self._limit + 1))
        if not unpacking.eof:
            peek(head)
            async with self._one_at_a_time:
                head = await self._rest(unpacking, head)
        if len(head) > self._limit:
            raise TooLargeError(
                f"the request is larger than max: it unpacks to more than {self._limit} bytes; split it"
            )
        if unpacking.unused_data:
            raise InvalidInputError("the request has bytes behind its compressed message; compress all of it")
        return head

    async def _rest(self, unpacking: "zlib._Decompress", head: bytes) -> bytes:
        pieces, size = [head], len(head)
        while not unpacking.eof and size <= self._limit:
            most = min(PIECE, self._limit + 1 - size)
            pieces.append(await off_loop(_piece, unpacking, unpacking.unconsumed_tail, most))
            size += len(pieces[-1])
        return await off_loop(b"".join, pieces)


def _piece(unpacking: "zlib._Decompress", data: bytes, most: int) -> bytes:
    """Decompress the next bytes of a message."""
    try:
        piece = unpacking.decompress(data, most)
    except zlib.error as error:
        raise InvalidInputError(f"the request cannot be unpacked: {error}; compress it again") from error
    if not piece and not unpacking.eof and not unpacking.unconsumed_tail:
        raise InvalidInputError("the request ends before its compressed message does; send all of it")
    return piece
