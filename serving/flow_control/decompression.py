"""Unpacks compressed requests, a piece at a time, in place of gRPC's core.

The core unpacks each message as soon as it is whole, before anybody can say no: sixty kilobytes become sixty
megabytes, as often as a connection has streams, and whether or not it is still there. So the core is told to hand
messages over as they came (``grpc.per_message_decompression``).

It does not tell whether a message is compressed. What is shows by its first byte: as a tag of protobuf, gzip's has a
type that does not exist, and zlib's is that of field 15, which no request begins with.

Source: RFC 1952, 2.3.1; RFC 1950, 2.2.
"""

import asyncio
import zlib
from collections.abc import Callable

from serving.dataplane.off_loop import off_loop
from serving.errors import InvalidInputError, TooLargeError

_FIRST = frozenset(b"\x1f\x78")

_GZIP = b"\x1f\x8b"

_EITHER = 32 + zlib.MAX_WBITS
"""gzip or zlib, whichever it is."""

HEAD = 64 << 10
"""Bytes that are unpacked at once, where the message came: most messages have no more."""

PIECE = 1 << 20
"""Bytes that are unpacked at a time of those that have. After each it is seen whether anybody still waits."""


def compressed(data: bytes) -> bool:
    """Whether a message is compressed."""
    if not data or data[0] not in _FIRST:
        return False
    return data.startswith(_GZIP) or (len(data) > 1 and (data[0] << 8 | data[1]) % 31 == 0)


class Decompressor:
    """Unpacks one large message at a time; the others wait as they came.

    Args:
        most: Most bytes of a message.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._turn = asyncio.Lock()

    async def unpack(self, data: bytes, look: Callable[[bytes], None]) -> bytes:
        """What a compressed message says.

        Args:
            data: The message.
            look: Shown how a large one begins, before the rest is unpacked; raises if it shall not be.

        Raises:
            InvalidInputError: It is damaged.
            TooLargeError: It is larger than messages may be.
        """
        unpacking = zlib.decompressobj(_EITHER)
        head = _piece(unpacking, data, min(HEAD, self._most + 1))
        if not unpacking.eof:
            look(head)
            async with self._turn:
                head = await self._rest(unpacking, head)
        if len(head) > self._most:
            raise TooLargeError(
                f"the request is larger than max: it unpacks to more than {self._most} bytes; split it"
            )
        if unpacking.unused_data:
            raise InvalidInputError("the request has bytes behind its compressed message; compress all of it")
        return head

    async def _rest(self, unpacking: "zlib._Decompress", head: bytes) -> bytes:
        pieces, size = [head], len(head)
        while not unpacking.eof and size <= self._most:
            most = min(PIECE, self._most + 1 - size)
            pieces.append(await off_loop(_piece, unpacking, unpacking.unconsumed_tail, most))
            size += len(pieces[-1])
        return await off_loop(b"".join, pieces)


def _piece(unpacking: "zlib._Decompress", data: bytes, most: int) -> bytes:
    """The next bytes of a message."""
    try:
        piece = unpacking.decompress(data, most)
    except zlib.error as error:
        raise InvalidInputError(f"the request cannot be unpacked: {error}; compress it again") from error
    if not piece and not unpacking.eof and not unpacking.unconsumed_tail:
        raise InvalidInputError("the request ends before its compressed message does; send all of it")
    return piece
