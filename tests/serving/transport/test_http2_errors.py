"""What breaks HTTP/2 is answered with the error that RFC 9113 demands, and costs no other connection.

The sections in the names are RFC 9113's. An endpoint may treat a stream error as a connection error (5.4.1), so such
a case allows both. It should send GOAWAY before it closes the connection (5.4.1), and the native transport must.
"""

import pytest
from http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH,
    RESET,
    SETTINGS,
    WINDOW,
    Frame,
    block,
    call_headers,
    integer,
)
from raw_peer import EMPTY, LIVE, LIVE_ANSWER, Setting, credit, reset, settings_frame

MOST = (1 << 31) - 1
CALL = block(call_headers(LIVE))
LARGEST = 16384


def connection_error(*codes):
    return {f"GOAWAY {code}" for code in codes}


def stream_error(*codes):
    return {f"{frame} {code}" for frame in ("RST_STREAM", "GOAWAY") for code in codes}


PROTOCOL = connection_error("PROTOCOL_ERROR")
SIZE = connection_error("FRAME_SIZE_ERROR")
CLOSED = connection_error("STREAM_CLOSED", "PROTOCOL_ERROR")
"""5.1 asks for STREAM_CLOSED, 5.1.1 for PROTOCOL_ERROR where the stream's number is not a new one."""

MAY_BE_IGNORED = {"nothing"}
"""5.1 lets an endpoint forget a stream that was reset."""

ENDED = Frame(DATA, END_STREAM, 1, EMPTY)


def one_setting(key, value):
    return settings_frame({key: value})


def opened(stream, flags=END_HEADERS, payload=CALL):
    return Frame(HEADERS, flags, stream, payload)


# Each case is written after the headers of stream 1, whose body has not come.
FRAMES = {
    "5.1: DATA on an idle stream": (PROTOCOL, [Frame(DATA, 0, 3, EMPTY)]),
    "5.1: RST_STREAM on an idle stream": (PROTOCOL, [reset(3)]),
    "5.1: WINDOW_UPDATE on an idle stream": (PROTOCOL, [credit(3, 1)]),
    "5.1: DATA on a stream that the client has ended": (
        stream_error("STREAM_CLOSED"),
        [ENDED, Frame(DATA, 0, 1, b"x")],
    ),
    "5.1: HEADERS on a stream that the client has ended": (
        stream_error("STREAM_CLOSED", "PROTOCOL_ERROR"),
        [ENDED, opened(1, END_HEADERS | END_STREAM)],
    ),
    "5.1: DATA on a stream that the client has reset": (
        stream_error("STREAM_CLOSED") | MAY_BE_IGNORED,
        [reset(1), Frame(DATA, 0, 1, b"x")],
    ),
    "5.1: HEADERS on a stream that the client has reset": (
        stream_error("STREAM_CLOSED", "PROTOCOL_ERROR") | MAY_BE_IGNORED,
        [reset(1), opened(1)],
    ),
    "5.1.1: a stream of the server's": (PROTOCOL, [opened(2)]),
    "5.1.1: a stream with a number that was passed over": (
        CLOSED | {"nothing"},  # both transports ignore it: nghttp2 keeps no list of the streams that were
        [opened(7), opened(5)],
    ),
    "5.5: an unknown frame between HEADERS and CONTINUATION": (
        PROTOCOL,
        [opened(3, 0), Frame(0x42, 0, 0, b"x")],
    ),
    "6.1: DATA on stream 0": (PROTOCOL, [Frame(DATA, 0, 0, b"x")]),
    "6.1: DATA padded beyond its end": (PROTOCOL, [Frame(DATA, PADDED, 1, b"\x05abcd")]),
    "6.1: DATA padded without a length": (
        connection_error("FRAME_SIZE_ERROR", "PROTOCOL_ERROR"),
        [Frame(DATA, PADDED, 1)],
    ),
    "6.2: HEADERS on stream 0": (PROTOCOL, [opened(0)]),
    "6.2: HEADERS padded beyond its end": (PROTOCOL, [opened(3, END_HEADERS | PADDED, b"\xff" + CALL[:20])]),
    "6.2: HEADERS too short for its priority": (
        connection_error("FRAME_SIZE_ERROR", "PROTOCOL_ERROR"),
        [opened(3, END_HEADERS | HAS_PRIORITY, b"abc")],
    ),
    "6.2: another stream between HEADERS and CONTINUATION": (PROTOCOL, [opened(3, 0), opened(5)]),
    "6.2: DATA between HEADERS and CONTINUATION": (PROTOCOL, [opened(3, 0), Frame(DATA, 0, 1, b"x")]),
    "6.2: PING between HEADERS and CONTINUATION": (PROTOCOL, [opened(3, 0), Frame(PING, 0, 0, bytes(8))]),
    # nghttp2 does not look at PRIORITY where the server has announced that it has none (RFC 9218, 2.1).
    "6.3: PRIORITY on stream 0": (PROTOCOL | {"nothing"}, [Frame(PRIORITY, 0, 0, bytes(5))]),
    "6.3: PRIORITY of 4 bytes": (stream_error("FRAME_SIZE_ERROR"), [Frame(PRIORITY, 0, 1, bytes(4))]),
    "6.4: RST_STREAM on stream 0": (PROTOCOL, [reset(0)]),
    "6.4: RST_STREAM of 3 bytes": (SIZE, [Frame(RESET, 0, 1, bytes(3))]),
    "6.5: SETTINGS on a stream": (PROTOCOL, [Frame(SETTINGS, 0, 1)]),
    "6.5: SETTINGS of 5 bytes": (SIZE, [Frame(SETTINGS, 0, 0, bytes(5))]),
    "6.5: an acknowledgement with settings": (SIZE, [Frame(SETTINGS, ACK, 0, bytes(6))]),
    "6.5.2: ENABLE_PUSH of 2": (PROTOCOL, [one_setting(Setting.ENABLE_PUSH, 2)]),
    "6.5.2: INITIAL_WINDOW_SIZE of 2^31": (
        connection_error("FLOW_CONTROL_ERROR"),
        [one_setting(Setting.INITIAL_WINDOW_SIZE, MOST + 1)],
    ),
    "6.5.2: MAX_FRAME_SIZE below 2^14": (PROTOCOL, [one_setting(Setting.MAX_FRAME_SIZE, LARGEST - 1)]),
    "6.5.2: MAX_FRAME_SIZE of 2^24": (PROTOCOL, [one_setting(Setting.MAX_FRAME_SIZE, 1 << 24)]),
    "6.6: PUSH_PROMISE of a client": (PROTOCOL, [Frame(PUSH, END_HEADERS, 1, bytes([0, 0, 0, 2]) + CALL)]),
    "6.7: PING on a stream": (PROTOCOL, [Frame(PING, 0, 1, bytes(8))]),
    "6.7: PING of 7 bytes": (SIZE, [Frame(PING, 0, 0, bytes(7))]),
    "6.8: GOAWAY on a stream": (PROTOCOL, [Frame(GOAWAY, 0, 1, bytes(8))]),
    "4.2: GOAWAY of 7 bytes": (SIZE, [Frame(GOAWAY, 0, 0, bytes(7))]),
    "6.9: WINDOW_UPDATE of 0 on the connection": (PROTOCOL, [credit(0, 0)]),
    "6.9: WINDOW_UPDATE of 0 on a stream": (stream_error("PROTOCOL_ERROR"), [credit(1, 0)]),
    "6.9: WINDOW_UPDATE of 3 bytes": (SIZE, [Frame(WINDOW, 0, 1, bytes(3))]),
    "6.9.1: a window of the connection above 2^31 - 1": (
        connection_error("FLOW_CONTROL_ERROR"),
        [credit(0, MOST)],
    ),
    "6.9.1: a window of a stream above 2^31 - 1": (stream_error("FLOW_CONTROL_ERROR"), [credit(1, MOST)]),
    "6.9.2: a setting that lifts a stream's window above 2^31 - 1": (
        stream_error("FLOW_CONTROL_ERROR"),  # 6.9.2 asks for a connection error; nghttp2 ends the stream
        [credit(1, MOST - 65535), one_setting(Setting.INITIAL_WINDOW_SIZE, 65536)],
    ),
    "6.10: CONTINUATION without HEADERS": (PROTOCOL, [Frame(CONTINUATION, END_HEADERS, 1, CALL)]),
    "6.10: CONTINUATION after all headers": (
        PROTOCOL,
        [opened(3), Frame(CONTINUATION, END_HEADERS, 3, b"")],
    ),
    "6.10: CONTINUATION of another stream": (
        PROTOCOL,
        [opened(3, 0), Frame(CONTINUATION, END_HEADERS, 5, b"")],
    ),
    "6.10: CONTINUATION on stream 0": (PROTOCOL, [opened(3, 0), Frame(CONTINUATION, END_HEADERS, 0, b"")]),
}


def sized(value):
    return integer(value, 5, 0x20)


COMPRESSION = connection_error("COMPRESSION_ERROR")

# Header blocks of a second stream; the sections are of RFC 7541.
BLOCKS = {
    "6.1: index 0": b"\x80",
    "2.3.3: an index beyond the tables": CALL + integer(200, 7, 0x80),
    "2.3.3: a name beyond the tables": CALL + integer(200, 4) + b"\x01x",
    "5.1: an integer of ten bytes": CALL + b"\xff" + b"\xff" * 9 + b"\x01",
    "5.1: an integer that does not end": CALL + b"\xff\xff\xff",
    "5.2: a string longer than its block": CALL + b"\x00\x05ab",
    "5.2: a Huffman code padded with eight bits": CALL + b"\x00\x82\x1f\xff\x01x",
    "5.2: a Huffman code padded with zeros": CALL + b"\x00\x81\x18\x01x",
    "5.2: Huffman's end-of-string": CALL + b"\x00\x84\xff\xff\xff\xff\x01x",
    "6.3: a table above the announced size": sized(1 << 20) + CALL,
    "4.2: a table's size within a block": CALL + sized(0),
}


IGNORED_BY_GRPCIO = {
    *(f"5.1: {what} on an idle stream" for what in ("DATA", "RST_STREAM", "WINDOW_UPDATE")),
    "5.1.1: a stream of the server's",
    *(
        f"6.{at}: {what} on stream 0"
        for at, what in enumerate(("DATA", "HEADERS", "PRIORITY", "RST_STREAM"), 1)
    ),
    "6.3: PRIORITY of 4 bytes",
    "6.6: PUSH_PROMISE of a client",
    "6.7: PING on a stream",
    "6.8: GOAWAY on a stream",
    "6.9.1: a window of the connection above 2^31 - 1",
    "6.9.1: a window of a stream above 2^31 - 1",
    "6.9.2: a setting that lifts a stream's window above 2^31 - 1",
    "5.2: a Huffman code padded with eight bits",
    "5.2: Huffman's end-of-string",
    "4.2: a table's size within a block",
}
"""gRPC's core reads less of a frame than RFC 9113 wants checked, and goes on."""

ANSWERED_BY_GRPCIO = {f"5.1: {what} on a stream that the client has ended" for what in ("DATA", "HEADERS")}
"""Likewise; the call goes on too."""

RESET_BY_GRPCIO = {f"6.1: DATA padded {how}" for how in ("beyond its end", "without a length")}
"""It ends the stream where RFC 9113 asks for the connection's end."""


IGNORED_BY_NATIVE = {"6.3: PRIORITY on stream 0"}
"""The server says by SETTINGS_NO_RFC7540_PRIORITIES that it ignores priorities, and does."""


def accepted(transport_name, case, expected):
    """The outcomes of a case."""
    if transport_name != "grpcio":
        return {"nothing"} if case in IGNORED_BY_NATIVE else expected
    if case in IGNORED_BY_GRPCIO:
        return {"nothing"}
    if case in ANSWERED_BY_GRPCIO:
        return {"nothing", "OK"}
    if case in RESET_BY_GRPCIO:
        return {"RST_STREAM PROTOCOL_ERROR"}
    return expected | {"closed"}  # mostly without GOAWAY


@pytest.fixture
def neighbour(peer):
    """Another connection with a call that is not over; it must be answered."""
    other = peer()
    stream = other.open()
    assert other.ping()
    yield
    other.send(stream, EMPTY)
    assert other.answer(stream).body == LIVE_ANSWER


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_that_breaks_the_protocol_is_an_error(peer, transport_name, case):
    expected, frames = FRAMES[case]
    p = peer()
    assert p.ping()
    stream = p.open()
    for _ in (3, 5, 7):
        p.stream()
    p.write(*frames)
    assert p.reaction(stream) in accepted(transport_name, case, expected)


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("case", BLOCKS)
def test_a_header_block_that_cannot_be_read_ends_the_connection(peer, transport_name, case):
    p = peer()
    assert p.ping()
    stream = p.stream()
    p.write(Frame(HEADERS, END_HEADERS, stream, BLOCKS[case]))
    assert p.reaction(stream) in accepted(transport_name, case, COMPRESSION)


@pytest.mark.usefixtures("neighbour")
def test_a_frame_above_the_announced_size_ends_the_connection(peer, transport_name):
    """RFC 9113, 4.2."""
    p = peer()
    assert p.ping()
    stream, most = p.open(), p.h2.max_outbound_frame_size
    assert LARGEST <= most < 1 << 24
    p.write(Frame(DATA, 0, stream, b"", claimed=most + 1), bytes(most + 1))
    expected = accepted(transport_name, "4.2", stream_error("FRAME_SIZE_ERROR"))
    assert p.ending() in expected


BEGINNINGS = {
    "3.4: another version": PREFACE.replace(b"2.0", b"2.1"),
    "3.4: a preface with one wrong byte at its end": PREFACE[:-1] + b"\r",
    "3.4: zeros": bytes(64),
    "3.4: a first frame that is not SETTINGS": PREFACE + Frame(PING, 0, 0, bytes(8)).encoded(),
    "3.4: an acknowledgement in place of the first SETTINGS": PREFACE + Frame(SETTINGS, ACK).encoded(),
    "RFC 8446: a TLS ClientHello": bytes.fromhex("1603010200010001fc0303") + bytes(500),
}


@pytest.mark.usefixtures("neighbour")
@pytest.mark.parametrize("case", BEGINNINGS)
def test_a_connection_that_does_not_begin_with_the_preface_and_settings_ends(peer, transport_name, case):
    """RFC 9113, 3.4: a connection error; GOAWAY may be left out."""
    p = peer(greet=False)
    p.write(BEGINNINGS[case])
    if transport_name == "grpcio" and "acknowledgement" in case:
        assert p.ping()  # gRPC's core takes it for settings
    else:
        assert p.ending() in PROTOCOL | {"closed"}
