"""Whatever HTTP/2 allows a client is understood: how bytes are cut, which frames come between, how windows move.

The sections are RFC 9113's. h2 checks what the server sends, its flow control and its frame sizes among them.
"""

import itertools

import pytest
from http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    Frame,
    block,
    call_headers,
    header,
    integer,
)
from raw_peer import EMPTY, INFER, LIVE, LIVE_ANSWER, Setting, credit, reset, settings_frame

GREETING = PREFACE + Frame(SETTINGS).encoded()
LIVE_BLOCK, INFER_BLOCK = block(call_headers(LIVE)), block(call_headers(INFER))
UNKNOWN_SETTING = 0xF00D


def joined(*frames):
    return b"".join(frame.encoded() for frame in frames)


def test_bytes_may_come_one_by_one(peer, affine):
    """5.: HTTP/2 is a sequence of bytes, however TCP cuts it."""
    body, y = affine(1, 2, 3)
    p = peer(greet=False)
    stream = p.stream()
    frames = Frame(HEADERS, END_HEADERS, stream, INFER_BLOCK), Frame(DATA, END_STREAM, stream, body)
    for byte in GREETING + joined(*frames):
        p.write(bytes([byte]))
    assert y in p.answer(stream).body


def test_bytes_may_be_cut_anywhere(peer):
    """Likewise, in two parts; the second comes after the first was read."""
    frames = joined(Frame(HEADERS, END_HEADERS, 1, LIVE_BLOCK), Frame(DATA, END_STREAM, 1, EMPTY))
    for at in range(0, len(frames), 3):
        p = peer()
        stream = p.stream()
        p.write(frames[:at])
        other = peer()
        assert other.ping()
        p.write(frames[at:])
        assert p.answer(stream).body == LIVE_ANSWER


def test_a_message_may_be_cut_over_two_data_frames_anywhere(peer, affine):
    """gRPC over HTTP/2, Data Frames: their boundaries mean nothing."""
    p = peer()
    body, y = affine(1, 2, 3)
    streams = []
    for at in range(len(body) + 1):
        stream = p.open(INFER)
        p.write(Frame(DATA, 0, stream, body[:at]), Frame(DATA, END_STREAM, stream, body[at:]))
        streams.append(stream)
    assert all(y in p.answer(stream).body for stream in streams)


def test_a_message_may_come_as_one_byte_a_frame(peer, affine):
    """Likewise."""
    p = peer()
    body, y = affine(4, 5, 6)
    stream = p.open(INFER)
    p.write(*(Frame(DATA, 0, stream, bytes([byte])) for byte in body), Frame(DATA, END_STREAM, stream))
    assert y in p.answer(stream).body


DATA_FORMS = {
    "6.1: END_STREAM on an empty frame": lambda s: [Frame(DATA, 0, s, EMPTY), Frame(DATA, END_STREAM, s)],
    "6.1: padding": lambda s: [Frame(DATA, PADDED | END_STREAM, s, b"\x07" + EMPTY + bytes(7))],
    "6.1: padding of 255 bytes": lambda s: [
        Frame(DATA, PADDED | END_STREAM, s, b"\xff" + EMPTY + bytes(255))
    ],
    "6.1: padding of no bytes": lambda s: [Frame(DATA, PADDED | END_STREAM, s, b"\x00" + EMPTY)],
    "6.1: a frame of padding alone": lambda s: [
        Frame(DATA, PADDED, s, b"\x09" + bytes(9)),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.1: an empty frame before the message": lambda s: [
        Frame(DATA, 0, s),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "4.1: unknown flags": lambda s: [Frame(DATA, END_STREAM | 0xF6, s, EMPTY)],
    "4.1: the reserved bit of the stream's number": lambda s: [Frame(DATA, END_STREAM, s | 1 << 31, EMPTY)],
    "5.5: unknown frames before it": lambda s: [
        *(Frame(kind, 0xFF, at, b"x" * 100) for kind in (0x42, 0xFF) for at in (0, s, s + 2)),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "RFC 7838, 4; RFC 9218, 7.1: extensions before it": lambda s: [
        Frame(0x0A, 0, 0, b'\x00\x01xh2=":1"'),
        Frame(0x10, 0, 0, s.to_bytes(4, "big") + b"u=1"),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.3: PRIORITY before it": lambda s: [
        Frame(PRIORITY, 0, s, bytes(4) + b"\x10"),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.3: PRIORITY of an idle stream": lambda s: [
        Frame(PRIORITY, 0, s + 100, bytes(4) + b"\x10"),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.5.2: an unknown setting": lambda s: [
        settings_frame({UNKNOWN_SETTING: 4711}),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.5.3: the same setting twice, the last counts": lambda s: [
        settings_frame([(Setting.INITIAL_WINDOW_SIZE, 0), (Setting.INITIAL_WINDOW_SIZE, 65535)]),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
    "6.9: credit for a stream that is not over": lambda s: [
        credit(s, 1000),
        credit(0, 1000),
        Frame(DATA, END_STREAM, s, EMPTY),
    ],
}


PADDED_FORMS = """
    6.1: padding
    6.1: padding of 255 bytes
    6.1: padding of no bytes
    6.1: a frame of padding alone
    6.2: padding
    6.2: padding and a priority
    6.2: padding, a priority and CONTINUATION
"""
REFUSED_BY_GRPCIO = {
    **dict.fromkeys(map(str.strip, PADDED_FORMS.strip().splitlines()), "the core does not know padding"),
    "4.1: unknown flags": "the core refuses flags that it does not know on DATA",
}


@pytest.mark.parametrize("form", DATA_FORMS)
def test_data_may_have_any_form(peer, grpcio_differs, form):
    grpcio_differs(form, REFUSED_BY_GRPCIO)
    p = peer()
    stream = p.open()
    p.write(*DATA_FORMS[form](stream))
    assert p.answer(stream).body == LIVE_ANSWER
    assert p.ping()


def pieces(block_, size, stream, flags=0):
    """HEADERS and CONTINUATION with so many bytes of a block each."""
    parts = [block_[at : at + size] for at in range(0, len(block_), size)]
    kinds = [(HEADERS, flags), *[(CONTINUATION, 0)] * (len(parts) - 1)]
    frames = [Frame(kind, more, stream, part) for (kind, more), part in zip(kinds, parts, strict=True)]
    return [*frames[:-1], frames[-1].but(flags=frames[-1].flags | END_HEADERS)]


PRIORITIES = bytes(4) + b"\x10"

HEADER_FORMS = {
    "6.10: CONTINUATION": lambda s: pieces(LIVE_BLOCK, 40, s),
    # Servers bound how many there may be (CVE-2024-28182).
    "6.10: CONTINUATION of one byte each": lambda s: [
        Frame(HEADERS, 0, s, LIVE_BLOCK[:-4]),
        *(Frame(CONTINUATION, 0, s, bytes([byte])) for byte in LIVE_BLOCK[-4:]),
        Frame(CONTINUATION, END_HEADERS, s),
    ],
    "6.10: an empty CONTINUATION": lambda s: [
        Frame(HEADERS, 0, s, LIVE_BLOCK),
        Frame(CONTINUATION, END_HEADERS, s),
    ],
    "6.10: HEADERS without a byte": lambda s: [
        Frame(HEADERS, 0, s),
        Frame(CONTINUATION, END_HEADERS, s, LIVE_BLOCK),
    ],
    "6.2: padding": lambda s: [Frame(HEADERS, END_HEADERS | PADDED, s, b"\x09" + LIVE_BLOCK + bytes(9))],
    "6.2: a priority": lambda s: [Frame(HEADERS, END_HEADERS | HAS_PRIORITY, s, PRIORITIES + LIVE_BLOCK)],
    "6.2: padding and a priority": lambda s: [
        Frame(HEADERS, END_HEADERS | PADDED | HAS_PRIORITY, s, b"\x03" + PRIORITIES + LIVE_BLOCK + bytes(3))
    ],
    "6.2: an exclusive priority on a stream that never was": lambda s: [
        Frame(HEADERS, END_HEADERS | HAS_PRIORITY, s, b"\x80\x00\x10\x01\xff" + LIVE_BLOCK)
    ],
    "6.2: padding, a priority and CONTINUATION": lambda s: [
        Frame(HEADERS, PADDED | HAS_PRIORITY, s, b"\x03" + PRIORITIES + LIVE_BLOCK[:9] + bytes(3)),
        Frame(CONTINUATION, END_HEADERS, s, LIVE_BLOCK[9:]),
    ],
    "RFC 7541, 6.3: a smaller table": lambda s: [Frame(HEADERS, END_HEADERS, s, b"\x20" + LIVE_BLOCK)],
    "RFC 7541, 4.2: a table made small and large again": lambda s: [
        Frame(HEADERS, END_HEADERS, s, b"\x20" + integer(4096, 5, 0x20) + LIVE_BLOCK)
    ],
    "RFC 7541, 6.2.3: headers that are never indexed": lambda s: [
        Frame(HEADERS, END_HEADERS, s, LIVE_BLOCK + header("x-client", "x", 0x10))
    ],
    "RFC 7541, 4.4: a header larger than the table": lambda s: [
        Frame(HEADERS, END_HEADERS, s, LIVE_BLOCK + header("x-client", "x" * 5000, 0x40))
    ],
    "8.2.3: cookies in pieces": lambda s: [
        Frame(HEADERS, END_HEADERS, s, LIVE_BLOCK + header("cookie", "a=1") + header("cookie", "b=2"))
    ],
    "8.1.1: a content-length that is right": lambda s: [
        Frame(HEADERS, END_HEADERS, s, LIVE_BLOCK + header("content-length", "5"))
    ],
    "8.3.1: host in place of :authority": lambda s: [
        Frame(
            HEADERS,
            END_HEADERS,
            s,
            block([each for each in call_headers(LIVE) if each[0] != ":authority"])
            + header("host", "localhost"),
        )
    ],
}


@pytest.mark.parametrize("form", HEADER_FORMS)
def test_headers_may_have_any_form(peer, grpcio_differs, form):
    grpcio_differs(form, REFUSED_BY_GRPCIO)
    p = peer()
    stream = p.stream()
    p.write(*HEADER_FORMS[form](stream), Frame(DATA, END_STREAM, stream, EMPTY))
    assert p.answer(stream).body == LIVE_ANSWER
    assert p.ping()


def test_headers_may_be_referred_to_by_index(peer):
    """RFC 7541, 2.3: literals enter the dynamic table, and later blocks refer to them, the newest by 62."""
    p = peer()
    first = b"".join(header(name, value, 0x40) for name, value in call_headers(LIVE))
    again = b"".join(integer(62 + at, 7, 0x80) for at in reversed(range(len(call_headers(LIVE)))))
    streams = [p.stream() for _ in range(3)]
    for stream, headers in zip(streams, (first, again, again), strict=True):
        p.write(Frame(HEADERS, END_HEADERS, stream, headers), Frame(DATA, END_STREAM, stream, EMPTY))
    assert [p.answer(stream).body for stream in streams] == [LIVE_ANSWER] * 3


def test_headers_may_be_referred_to_after_their_block_was_refused(peer):
    """4.3: the header block of a stream that is refused or malformed still changes the dynamic table."""
    p = peer()
    first = b"".join(header(name, value, 0x40) for name, value in call_headers(LIVE))
    again = b"".join(integer(62 + at, 7, 0x80) for at in reversed(range(len(call_headers(LIVE)))))
    refused = p.stream()
    p.write(Frame(HEADERS, END_HEADERS | END_STREAM, refused, first), reset(refused))
    stream = p.stream()
    p.write(Frame(HEADERS, END_HEADERS, stream, again), Frame(DATA, END_STREAM, stream, EMPTY))
    assert p.answer(stream).body == LIVE_ANSWER


@pytest.mark.parametrize("size", [0, 1, 64, 4096, 65536])
def test_the_size_of_the_clients_header_table_is_obeyed(peer, size):
    """RFC 7541, 4.2; 6.5.2, SETTINGS_HEADER_TABLE_SIZE. h2 holds the server to it."""
    p = peer(settings={Setting.HEADER_TABLE_SIZE: size})
    assert [p.answer(p.call()).body for _ in range(4)] == [LIVE_ANSWER] * 4
    p.settings({Setting.HEADER_TABLE_SIZE: 0})
    assert [p.answer(p.call()).body for _ in range(4)] == [LIVE_ANSWER] * 4


def test_settings_are_acknowledged_one_by_one(peer):
    """6.5.3."""
    p = peer()
    for _ in range(5):
        p.settings({Setting.MAX_FRAME_SIZE: 1 << 15})
    assert p.ping()
    assert p.ping()
    assert p.frames.count(Frame(SETTINGS, ACK)) == 6


def test_a_ping_is_acknowledged_with_its_own_bytes(peer):
    """6.7."""
    p = peer()
    p.write(Frame(PING, 0, 0, b"\x00\xff8bytes"))
    assert p.ping()
    assert Frame(PING, ACK, 0, b"\x00\xff8bytes") in p.frames


def test_an_acknowledgement_of_a_ping_that_never_was_means_nothing(peer):
    """6.7."""
    p = peer()
    p.write(Frame(PING, ACK, 0, bytes(8)))
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_streams_may_be_interleaved(peer, affine):
    """5.: frames of many streams, a byte of each message in turn."""
    p = peer()
    expected = {p.open(INFER): affine(at, 0, 1) for at in range(20)}
    bodies = [[(stream, byte) for byte in body] for stream, (body, _) in expected.items()]
    for turn in itertools.zip_longest(*bodies):
        p.write(*(Frame(DATA, 0, each[0], bytes([each[1]])) for each in turn if each))
    p.write(*(Frame(DATA, END_STREAM, stream) for stream in expected))
    for stream, (_, y) in expected.items():
        assert y in p.answer(stream).body


def test_stream_numbers_may_be_passed_over(peer):
    """5.1.1: numbers increase; those between are closed thereby."""
    p = peer()
    p._next = 1001
    assert p.answer(p.call()).body == LIVE_ANSWER
    p._next = (1 << 31) - 1
    assert p.answer(p.call()).body == LIVE_ANSWER


@pytest.mark.parametrize(
    "when", ["with the headers", "after the headers", "within the message", "after the call"]
)
def test_a_stream_may_be_reset_at_any_time(peer, when, affine):
    """6.4. The connection goes on, and so do other streams."""
    p = peer()
    body, y = affine(1, 2, 3)
    for _ in range(20):
        other = p.open(INFER)
        if when == "with the headers":
            stream = p.stream()
            p.write(Frame(HEADERS, END_HEADERS, stream, INFER_BLOCK), reset(stream))
        else:
            stream = p.open(INFER)
            parts = {"after the headers": b"", "within the message": body[:20], "after the call": body}
            flags = END_STREAM if when == "after the call" else 0
            p.write(Frame(DATA, flags, stream, parts[when]), reset(stream))
        p.send(other, body)
        assert y in p.answer(other).body


def test_a_stream_may_be_reset_while_its_answer_comes(peer, echo):
    """6.4. The credit of the connection that the answer took is given back, and other calls are answered."""
    p = peer()
    for _ in range(3):
        stream = p.call(INFER, echo(100_000))
        p.reset_in_answer(stream)
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_goaway_of_the_client_lets_its_calls_finish(peer, affine):
    """6.8: a client that says GOAWAY opens no more streams; those that there are go on."""
    p = peer()
    body, y = affine(1, 2, 3)
    stream = p.open(INFER)
    p.write(Frame(0x7, 0, 0, bytes(8)))
    p.send(stream, body)
    assert y in p.answer(stream).body


def test_the_end_of_what_the_client_sends_lets_its_calls_finish(peer, affine):
    """A client may close its half of the TCP connection; gRPC servers may take that for its end."""
    p = peer()
    assert p.ping()
    p.call(INFER, affine(1, 2, 3)[0])
    p.socket.shutdown(1)
    assert p.ending() in {"closed", "GOAWAY NO_ERROR"}
