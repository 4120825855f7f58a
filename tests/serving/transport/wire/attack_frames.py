"""What hostile peers send, as bytes."""

from http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PRIORITY,
    SETTINGS,
    Frame,
    block,
    call_headers,
    header,
    integer,
)
from raw_peer import EMPTY, LIVE, Setting, credit, reset, settings_frame

MOST = (1 << 31) - 1
CALL = block(call_headers(LIVE))


def frames(*each):
    return b"".join(frame.encoded() for frame in each)


def streams(count, make):
    """The frames that ``make`` gives for each of so many new streams."""
    return b"".join(make(stream) for stream in range(3, 3 + 2 * count, 2))


def call(stream, flags=END_STREAM):
    return frames(Frame(HEADERS, END_HEADERS, stream, CALL), Frame(DATA, flags, stream, EMPTY))


def malformed(stream):
    return Frame(HEADERS, END_HEADERS | END_STREAM, stream, CALL + header("X", "x")).encoded()


def shuffled(count):
    """PRIORITY frames that make each of a hundred streams depend on another, over and over."""
    return frames(
        *(
            Frame(
                PRIORITY,
                0,
                1 + at % 100 * 2,
                (3 + at * 7 % 100 * 2 | 1 << 31 * (at % 2)).to_bytes(4, "big") + b"\x10",
            )
            for at in range(100 * 101)
        )
    ) * (count // 10_100)


def bomb(stream):
    """A block of 12,000 bytes that stands for 12,000 headers of 3,500 bytes."""
    return Frame(HEADERS, END_HEADERS, stream, CALL + integer(62, 7, 0x80) * 12_000).encoded()


PLANT = Frame(HEADERS, END_HEADERS, 1, CALL + header("x", "x" * 3500, 0x40)).encoded()
OPEN = Frame(HEADERS, END_HEADERS, 1, CALL).encoded()
LIES = frames(*(Frame(CONTINUATION, 0, 1, header("x", "x" * 16_000)) for _ in range(600)))

FLOODS = {
    "2019-9512: PING": lambda: Frame(PING, 0, 0, bytes(8)).encoded() * 300_000,
    "2019-9513: PRIORITY": lambda: OPEN + shuffled(300_000),
    "2019-9514: requests that are reset": lambda: streams(40_000, malformed),
    "2019-9515: SETTINGS": lambda: Frame(SETTINGS).encoded() * 300_000,
    "2019-9515: SETTINGS that change windows": lambda: (
        OPEN
        + frames(*(settings_frame({Setting.INITIAL_WINDOW_SIZE: 65535 + at % 2}) for at in range(1000))) * 200
    ),
    "2019-9516: headers without names": lambda: streams(
        300, lambda s: Frame(HEADERS, END_HEADERS, s, CALL + b"\x00\x80\x80" * 5000).encoded()
    ),
    "2019-9518: empty DATA": lambda: OPEN + Frame(DATA, 0, 1).encoded() * 300_000,
    "2019-9518: DATA of padding": lambda: OPEN + Frame(DATA, 0x8, 1, b"\x00").encoded() * 300_000,
    "2019-9518: empty CONTINUATION": lambda: (
        Frame(HEADERS, 0, 1, CALL).encoded() + Frame(CONTINUATION, 0, 1).encoded() * 300_000
    ),
    "2020-11080: large SETTINGS": lambda: (
        settings_frame([(0xF000 + at, at) for at in range(2700)]).encoded() * 300
    ),
    "2016-6581: an HPACK bomb": lambda: PLANT + streams(100, bomb),
    "2016-6581: an HPACK bomb in one block": lambda: (
        PLANT
        + Frame(HEADERS, 0, 3, CALL).encoded()
        + Frame(CONTINUATION, 0, 3, integer(62, 7, 0x80) * 12_000).encoded() * 100
    ),
    "2023-44487: rapid reset": lambda: streams(40_000, lambda s: call(s) + reset(s).encoded()),
    "2023-44487: rapid reset of headers": lambda: streams(
        40_000, lambda s: Frame(HEADERS, END_HEADERS, s, CALL).encoded() + reset(s).encoded()
    ),
    "2024-28182: CONTINUATION": lambda: Frame(HEADERS, 0, 1, CALL).encoded() + LIES,
    "2024-28182: small CONTINUATION": lambda: (
        Frame(HEADERS, 0, 1, CALL).encoded() + Frame(CONTINUATION, 0, 1, header("x", "x")).encoded() * 200_000
    ),
    "2025-8671: WINDOW_UPDATE of 0": lambda: streams(30_000, lambda s: call(s, 0) + credit(s, 0).encoded()),
    "2025-8671: WINDOW_UPDATE over the largest window": lambda: streams(
        30_000, lambda s: call(s, 0) + credit(s, MOST).encoded()
    ),
    "2025-8671: DATA after the end": lambda: streams(
        30_000, lambda s: call(s) + Frame(DATA, 0, s, b"x").encoded()
    ),
    "2025-8671: HEADERS after the end": lambda: streams(
        30_000, lambda s: call(s) + Frame(HEADERS, END_HEADERS | END_STREAM, s, block([("x", "x")])).encoded()
    ),
    "2025-8671: PRIORITY of a wrong length": lambda: streams(
        30_000, lambda s: call(s, 0) + Frame(PRIORITY, 0, s, bytes(4)).encoded()
    ),
    "2025-8671: a priority on itself": lambda: streams(
        30_000, lambda s: call(s, 0) + Frame(PRIORITY, 0, s, s.to_bytes(4, "big") + b"\x10").encoded()
    ),
    "2025-8671: a content-length that is too small": lambda: streams(
        30_000,
        lambda s: frames(
            Frame(HEADERS, END_HEADERS, s, CALL + header("content-length", "1")),
            Frame(DATA, END_STREAM, s, EMPTY),
        ),
    ),
    "unknown frames": lambda: Frame(0x42, 0, 0, b"x").encoded() * 300_000,
    "credit for the connection": lambda: credit(0, 1).encoded() * 300_000,
}

AFTER_THE_END = {
    "ALTSVC of no bytes": Frame(0x0A, 0, 1),
    "ALTSVC that is cut": Frame(0x0A, 0, 0, b"\x00\x10x"),
    "PRIORITY_UPDATE of 3 bytes": Frame(0x10, 0, 0, bytes(3)),
    "ORIGIN that is cut": Frame(0x0C, 0, 0, b"\x00\x10x"),
    "PING of 7 bytes": Frame(PING, 0, 0, bytes(7)),
    "SETTINGS of 5 bytes": Frame(SETTINGS, 0, 0, bytes(5)),
    "SETTINGS of 16 KB": Frame(SETTINGS, 0, 0, bytes(16_380)),
    "WINDOW_UPDATE of 3 bytes": Frame(0x8, 0, 0, bytes(3)),
    "RST_STREAM of 3 bytes": Frame(0x3, 0, 1, bytes(3)),
    "PRIORITY of 4 bytes": Frame(PRIORITY, 0, 1, bytes(4)),
    "GOAWAY of 7 bytes": Frame(0x7, 0, 0, bytes(7)),
    "HEADERS too short for a priority": Frame(HEADERS, 0x24, 3, b"abc"),
    "HEADERS padded beyond their end": Frame(HEADERS, 0x0C, 3, b"\xffabc"),
    "a block without an end": Frame(HEADERS, 0, 3, CALL),
    "CONTINUATION": Frame(CONTINUATION, END_HEADERS, 3, CALL),
    "DATA padded beyond its end": Frame(DATA, 0x8, 1, b"\xffabc"),
    "PUSH_PROMISE": Frame(0x5, END_HEADERS, 1, b"\x00"),
    "a frame that is too large": Frame(DATA, 0, 1, bytes(100), claimed=(1 << 24) - 1),
    "a call": Frame(HEADERS, END_HEADERS | END_STREAM, 5, CALL),
}

ENDS = {
    "settings without end": settings_frame([(0xF000 + at, at) for at in range(2700)]),
    "a frame on a wrong stream": Frame(PING, 0, 1, bytes(8)),
    "a frame of a wrong size": Frame(0x8, 0, 0, bytes(3)),
    "a window that is too large": credit(0, MOST),
    "a block that cannot be read": Frame(HEADERS, END_HEADERS, 3, b"\x80"),
    "credit of nothing": credit(0, 0),
    "a GOAWAY of the client's": Frame(0x7, 0, 0, bytes(8)),
    "a flood": Frame(PING, 0, 0, bytes(8)).encoded() * 20_000,
    "extensions": Frame(0x0A, 0, 0, b"\x00\x01x").encoded() * 10 + Frame(0x10, 0, 0, bytes(4)).encoded() * 10,
}
