"""HTTP/2 as bytes, written by hand so that it can be written wrongly (RFC 9113, RFC 7541).

    frame = length (3 bytes) type (1) flags (1) stream (4) payload

Headers are literals without an index and without Huffman codes, so that no state is needed to write them.
"""

from dataclasses import dataclass, replace

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
HEADER = 9
"""Bytes before the payload of a frame."""

END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY, ACK = 0x1, 0x4, 0x8, 0x20, 0x1


@dataclass(frozen=True)
class Frame:
    """A frame, whose length may be a lie.

    Attributes:
        kind: The type.
        flags: The flags.
        stream: The stream, with the reserved bit on top.
        payload: The payload.
        claimed: The length it claims; None for the true one.
    """

    kind: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""
    claimed: int | None = None

    def encoded(self) -> bytes:
        """The bytes on the wire."""
        size = len(self.payload) if self.claimed is None else self.claimed
        head = size.to_bytes(3, "big") + bytes([self.kind, self.flags]) + self.stream.to_bytes(4, "big")
        return head + self.payload

    def but(self, **changes: object) -> "Frame":
        """The same with something changed."""
        return replace(self, **changes)


def header(name: str | bytes, value: str | bytes, first: int = 0x00) -> bytes:
    """A header as a literal; ``first`` is the byte that says which kind of literal."""
    return bytes([first]) + _string(name) + _string(value)


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """HPACK's integer with a prefix of so many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    made, value = [first | most], value - most
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def call_headers(path: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The headers of a gRPC call."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]


def block(headers: list[tuple[str, str]]) -> bytes:
    """Headers as a header block."""
    return b"".join(header(name, value) for name, value in headers)


def message(data: bytes, *, compressed: int = 0, claimed: int | None = None) -> bytes:
    """A gRPC message with its prefix of five bytes, whose length may be a lie."""
    size = len(data) if claimed is None else claimed
    return bytes([compressed]) + size.to_bytes(4, "big") + data


def call(stream: int, path: str, body: bytes, *more: tuple[str, str]) -> list[Frame]:
    """The frames of a call with one message."""
    return [
        Frame(HEADERS, END_HEADERS, stream, block(call_headers(path, *more))),
        Frame(DATA, END_STREAM, stream, body),
    ]


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return integer(len(data), 7) + data


def readable(data: bytes) -> bytes:
    """What a server has sent, with its headers as ``name: value`` lines: they may be compressed on the wire."""
    decoder, found = hpack.Decoder(), []
    while len(data) >= HEADER and len(data) >= (end := HEADER + int.from_bytes(data[:3], "big")):
        if data[3] == HEADERS:
            lines = decoder.decode(data[HEADER:end], raw=True)
            found += [b"%b: %b\n" % (bytes(name), bytes(value)) for name, value in lines]
        else:
            found.append(data[:end])
        data = data[end:]
    return b"".join(found)
