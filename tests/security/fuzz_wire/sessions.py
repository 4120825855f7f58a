"""Connections that break HTTP/2 or gRPC's use of it: each is the bytes that a client sends before it hangs up."""

import gzip
import random
from collections.abc import Callable

import http2
import octets
from http2 import Frame
from valid import INFERENCE, Seed

TIMES = [
    "1S",
    "0n",
    "-1S",
    "99999999H",
    "999999999H",
    "1",
    "S",
    "",
    "1x",
    "\x31\x53",
    "18446744073709551615n",
]
ENCODINGS = ["gzip", "deflate", "identity", "br", "", "gzip,deflate", "x" * 200]
TYPES = [
    "application/grpc+proto",
    "application/grpc+json",
    "application/json",
    "text/html",
    "",
    "application/grpc;x=1",
]
PATHS = [
    "/",
    "",
    "*",
    "//",
    "/inference.GRPCInferenceService/",
    "/../ModelInfer",
    "ModelInfer",
    "/a" * 4000,
    "/\x00",
]


def session(calls: list[Seed], chance: random.Random) -> bytes:
    """What a client sends: a few calls, changed here and there."""
    frames = [Frame(http2.SETTINGS, payload=chance.choice((b"", b"\x00\x04\x00\x10\x00\x00")))]
    for number, each in enumerate(calls):
        frames += _call(2 * number + 1, each, chance)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        chance.choice(_CHANGES)(frames, chance)
    data = http2.PREFACE + b"".join(frame.encoded() for frame in frames)
    if chance.random() < 0.1:
        data = data[: chance.randrange(len(data))]
    elif chance.random() < 0.1:
        data = octets.mutated(data, chance)
    return data


def _call(stream: int, seed: Seed, chance: random.Random) -> list[Frame]:
    path, data, more = seed.method, seed.message.SerializeToString(deterministic=True), []
    odd = chance.randrange(12)
    prefix: dict[str, int] = {}
    if odd == 0:
        prefix["claimed"] = (
            chance.choice((0, 1, len(data) - 1, len(data) + 1, 2**26, 2**31, 2**32 - 1)) % 2**32
        )
    elif odd == 1:
        prefix["compressed"] = chance.choice((1, 1, 2, 255))
        more.append(("grpc-encoding", chance.choice(ENCODINGS)))
        data = chance.choice((_packed(data), _packed(bytes(10**6)), _packed(data)[:-9], data))
    elif odd == 2:
        more.append(("grpc-timeout", chance.choice(TIMES)))
    elif odd == 3:
        path = chance.choice(PATHS)
    frames = http2.call(stream, path, http2.message(data, **prefix), *more)
    if odd == 4:
        frames[0] = frames[0].but(payload=http2.block(_changed_headers(path, chance)))
    elif odd == 5:
        frames[0] = frames[0].but(payload=_changed_block(frames[0].payload, chance))
    elif odd == 6:
        frames[1:] = _pieces(frames[1], chance)
    return frames


def _packed(data: bytes) -> bytes:
    """The same bytes at any time of day."""
    return gzip.compress(data, mtime=0)


def _pieces(frame: Frame, chance: random.Random) -> list[Frame]:
    """A DATA frame in several, some padded, some empty."""
    size = chance.choice((1, 3, 5, 50))
    parts = [frame.payload[at : at + size] for at in range(0, min(len(frame.payload), 400), size)]
    parts.append(frame.payload[len(parts) * size :])
    made = [
        Frame(http2.DATA, http2.PADDED, frame.stream, b"\x03" + each + b"pad") if chance.random() < 0.2 else
        Frame(http2.DATA, 0, frame.stream, each)
        for each in parts
    ]  # fmt: skip
    return [*made, Frame(http2.DATA, http2.END_STREAM, frame.stream)]


def _changed_headers(path: str, chance: random.Random) -> list[tuple[str, str]]:
    headers = http2.call_headers(path)
    kind = chance.randrange(7)
    at = chance.randrange(len(headers))
    if kind == 0:
        del headers[at]
    elif kind == 1:
        headers.insert(chance.randrange(len(headers) + 1), headers[at])
    elif kind == 2:
        headers[at] = (headers[at][0].upper(), headers[at][1])
    elif kind == 3:
        headers[at] = (headers[at][0], chance.choice(("", "\0", "x" * 5000, "\r\nx: y", "é")))
    elif kind == 4:
        headers[5] = ("content-type", chance.choice(TYPES))
    elif kind == 5:
        names = (
            "grpc-status",
            "connection",
            "x-bin",
            "content-length",
            ":status",
            ":x",
            "",
            "grpc-message",
            "cookie",
        )
        values = ("0", "!!!", "-1", "x" * 100, "close")
        headers += [(chance.choice(names), chance.choice(values))] * chance.choice((1, 3, 100))
    else:
        headers += [
            (f"x-{number}", "y" * chance.choice((1, 50))) for number in range(chance.choice((10, 200, 1000)))
        ]
    return headers


def _changed_block(block: bytes, chance: random.Random) -> bytes:
    """A header block that HPACK must refuse or survive."""
    odd = (
        b"\x80",  # index 0, which does not exist
        http2.integer(61 + 1, 7, 0x80),  # an index into an empty table
        http2.integer(2**30, 7, 0x80),
        http2.integer(2**31 - 1, 5, 0x20),  # a table larger than was allowed
        b"\x20" * 100,
        b"\x3f" + b"\xff" * 12,  # a number without an end
        b"\x40\x7f\xff\xff\xff\xff\x0f",  # a name of four gigabytes
        b"\x00\x81\xff\x00",  # Huffman code without an end
        b"\x00\x84\xff\xff\xff\xff\x00",  # Huffman's end of string inside
        b"\x00\x00\x00",  # a name without letters
        b"".join(
            http2.header(f"n{number}", "v" * 60, 0x40) for number in range(200)
        ),  # a table that overflows
    )
    where = chance.choice((0, len(block)))
    if chance.random() < 0.3:
        return octets.mutated(block, chance)
    return block[:where] + chance.choice(odd) + block[where:]


def _frame_changed(frames: list[Frame], chance: random.Random) -> None:
    at = chance.randrange(len(frames))
    frame = frames[at]
    streams = (0, 1, 2, 3, 4, 99, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1)
    lengths = (0, 1, len(frame.payload) + 1, max(0, len(frame.payload) - 1), 16384, 16385, 2**24 - 1)
    change: dict[str, object] = chance.choice(
        (
            {"kind": chance.randrange(256)},
            {"kind": chance.randrange(10)},
            {"flags": chance.randrange(256)},
            {"flags": frame.flags ^ (1 << chance.randrange(8))},
            {"stream": chance.choice(streams)},
            {"claimed": chance.choice(lengths)},
            {"payload": octets.mutated(frame.payload, chance)},
            {"payload": b""},
        )
    )
    frames[at] = frame.but(**change)


def _moved(frames: list[Frame], chance: random.Random) -> None:
    frame = frames.pop(chance.randrange(len(frames)))
    if chance.random() < 0.6:
        frames.insert(chance.randrange(len(frames) + 1), frame)
    if not frames:
        frames.append(frame)


def _repeated(frames: list[Frame], chance: random.Random) -> None:
    at = chance.randrange(len(frames))
    frames[at:at] = [frames[at]] * chance.choice((1, 2, 50))


def _inserted(frames: list[Frame], chance: random.Random) -> None:
    stream = chance.choice((0, 1, 3, 5, 7))
    number = chance.choice((0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)).to_bytes(4, "big")
    odd = chance.choice(
        (
            [Frame(http2.PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\x10")],
            [Frame(http2.PRIORITY, 0, stream, b"\0" * chance.choice((0, 4, 6)))],
            [Frame(http2.RESET, 0, stream, number)],
            [Frame(http2.RESET, 0, stream, number[:3])],
            [Frame(http2.SETTINGS, 0, stream, _settings(chance))],
            [Frame(http2.SETTINGS, http2.ACK, 0, chance.choice((b"", b"\0" * 6)))],
            [Frame(http2.PUSH, http2.END_HEADERS, stream, number)],
            [Frame(http2.PING, chance.choice((0, 1)), stream, b"\0" * chance.choice((0, 7, 8, 9)))],
            [Frame(http2.GOAWAY, 0, 0, number + b"\0\0\0\0" + b"x" * chance.choice((0, 1000)))],
            [Frame(http2.WINDOW, 0, stream, number)] * chance.choice((1, 2)),
            [Frame(http2.CONTINUATION, chance.choice((0, 4)), stream, b"\0\1a\1b")],
            [Frame(chance.randrange(10, 256), chance.randrange(256), stream, chance.randbytes(20))],
            [Frame(http2.DATA, http2.PADDED, stream, b"\xff" + b"x" * 10)],
            [Frame(http2.HEADERS, http2.PADDED | http2.HAS_PRIORITY | http2.END_HEADERS, stream, b"\x02")],
        )
    )
    at = chance.randrange(len(frames) + 1)
    frames[at:at] = odd


def _settings(chance: random.Random) -> bytes:
    pairs = [
        chance.randrange(10).to_bytes(2, "big")
        + chance.choice((0, 1, 2, 16383, 16384, 2**24, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(4, "big")
        for _ in range(chance.choice((1, 3, 100)))
    ]
    return b"".join(pairs)[: chance.choice((6, 600, 5))]


def _flood(frames: list[Frame], chance: random.Random) -> None:
    """Many of the same: acknowledgements, resets, or headers cost the receiver more than the sender."""
    count = chance.choice((50, 500, 2000))
    path = INFERENCE + "ServerLive"
    kind = chance.randrange(5)
    if kind == 0:
        frames += [Frame(http2.SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x64")] * count
    elif kind == 1:
        frames += [Frame(http2.PING, 0, 0, b"\0" * 8)] * count
    elif kind == 2:
        block = http2.block(http2.call_headers(path))
        for stream in range(101, 101 + 2 * min(count, 500), 2):
            frames.append(Frame(http2.HEADERS, http2.END_HEADERS, stream, block))
            frames.append(Frame(http2.RESET, 0, stream, b"\0\0\0\x08"))
    elif kind == 3:
        frames.append(Frame(http2.HEADERS, 0, 101, http2.block(http2.call_headers(path))))
        part = chance.choice((b"", http2.header("x-more", "y" * 50)))
        frames += [Frame(http2.CONTINUATION, 0, 101, part)] * count
    else:
        frames += [Frame(http2.DATA, 0, 1, b"")] * count


_CHANGES: list[Callable[[list[Frame], random.Random], None]] = [
    _frame_changed, _frame_changed, _frame_changed, _moved, _repeated, _inserted, _inserted, _flood
]  # fmt: skip
