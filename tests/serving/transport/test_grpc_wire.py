"""Calls as bytes: what gRPC over HTTP/2 says about headers, messages, compression, deadlines and statuses.

The documents are gRPC's PROTOCOL-HTTP2.md, compression.md and statuscodes.md; their names stand in the cases. A case
allows every outcome that they leave open.
"""

import gzip
import re
import urllib.parse
import zlib

import pytest
from http2 import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Frame, block, call_headers, message
from raw_peer import EMPTY, INFER, LIVE, LIVE_ANSWER, STREAM

from protos import open_inference_pb2 as pb
from serving.transport.status_code import Code

MIB = 1 << 20
ANY_STATUS = {code.name for code in Code} | {"HTTP 400", "HTTP 415", "RST_STREAM PROTOCOL_ERROR"}


def replaced(name, value):
    """The headers of a call with one replaced, or left out for None."""
    return [
        (key, value if key == name else old)
        for key, old in call_headers(LIVE)
        if key != name or value is not None
    ]


def with_(name, *values):
    return call_headers(LIVE, *((name, value) for value in values))


HEADER_CASES = {
    "Content-Type: application/grpc+proto": ({"OK"}, replaced("content-type", "application/grpc+proto")),
    "Content-Type: of another kind": ({"HTTP 415"}, replaced("content-type", "application/json")),
    "Content-Type: of a page": ({"HTTP 415"}, replaced("content-type", "text/html; charset=utf-8")),
    "Content-Type: empty": ({"HTTP 415"}, replaced("content-type", "")),
    "Content-Type: none": ({"HTTP 415"}, replaced("content-type", None)),
    "Method: GET": (ANY_STATUS - {"OK"} | {"HTTP 405"}, replaced(":method", "GET")),
    "Method: PUT": (ANY_STATUS - {"OK"} | {"HTTP 405"}, replaced(":method", "PUT")),
    "Method: unknown": (ANY_STATUS - {"OK"} | {"HTTP 405", "HTTP 501"}, replaced(":method", "PAINT")),
    "Scheme: https by a proxy that decrypts": ({"OK"}, replaced(":scheme", "https")),
    "TE: none": (ANY_STATUS, replaced("te", None)),
    # Optional for gRPC; nghttp2 asks for it or for Host, as RFC 9114, 4.3.1, does.
    "Authority: none": ({"OK", "RST_STREAM PROTOCOL_ERROR"}, replaced(":authority", None)),
    "Path: unknown": ({"UNIMPLEMENTED"}, replaced(":path", "/none.None/None")),
    "Path: unknown method": ({"UNIMPLEMENTED"}, replaced(":path", LIVE + "ly")),
    "Path: a slash": ({"UNIMPLEMENTED"}, replaced(":path", "/")),
    "Path: in lower case": ({"UNIMPLEMENTED"}, replaced(":path", LIVE.lower())),
    "Path: a slash behind it": ({"UNIMPLEMENTED"}, replaced(":path", LIVE + "/")),
    "Path: two slashes before it": ({"UNIMPLEMENTED"}, replaced(":path", "/" + LIVE)),
    "Path: a query behind it": ({"UNIMPLEMENTED"}, replaced(":path", LIVE + "?x=1")),
    "Path: percent-encoded": ({"UNIMPLEMENTED"}, replaced(":path", LIVE.replace("L", "%4C"))),
    "Path: 3000 characters": ({"UNIMPLEMENTED"}, replaced(":path", "/" + "x" * 3000)),
    "Path: not UTF-8": ({"UNIMPLEMENTED"}, replaced(":path", b"/\xff\xfe/x")),
    "Path: cut within a character": ({"UNIMPLEMENTED"}, replaced(":path", LIVE.encode() + b"\xc3")),
    # RFC 9113, 8.3.1, wants a slash first, so that these may also be malformed.
    "Path: no slash": ({"UNIMPLEMENTED", "RST_STREAM PROTOCOL_ERROR", "HTTP 400"}, replaced(":path", "x")),
    "Path: one byte": (
        {"UNIMPLEMENTED", "RST_STREAM PROTOCOL_ERROR", "HTTP 400"},
        replaced(":path", b"\x92"),
    ),
    "ASCII-Value: bytes above ASCII, which HTTP allows": ({"OK"}, with_("x-client", b"\xe9\xff")),
    "ASCII-Value: a tab within": ({"OK"}, with_("x-client", b"a\tb")),
    "ASCII-Value: empty": ({"OK"}, with_("x-client", "")),
    "Binary-Header: without padding": ({"OK"}, with_("x-bin", "AAE")),
    "Binary-Header: with padding": ({"OK"}, with_("x-bin", "AAE=")),
    "Binary-Header: empty": ({"OK"}, with_("x-bin", "")),
    "Binary-Header: several joined by commas": ({"OK"}, with_("x-bin", "AAE,AAE=")),
    "Binary-Header: not base64": (ANY_STATUS, with_("x-bin", "!!!")),
    "Custom-Metadata: repeated": ({"OK"}, with_("x-client", "1", "2")),
    "Custom-Metadata: every character of names": ({"OK"}, with_("x_0.z-", "1")),
    "Custom-Metadata: grpc- and an unknown name": ({"OK"}, with_("grpc-future", "1")),
    "Message-Type": ({"OK"}, with_("grpc-message-type", "inference.ServerLiveRequest")),
    "Message-Accept-Encoding: unknown ones": ({"OK"}, with_("grpc-accept-encoding", "br,snappy")),
    "Request-Headers: 4 KiB": ({"OK"}, with_("x-client", *["x" * 64] * 40)),
}

HEADERS_BY_GRPCIO = {
    **{f"Content-Type: {what}": {"OK"} for what in ("of another kind", "of a page", "empty", "none")},
    "Method: GET": {"RST_STREAM INTERNAL_ERROR"},
    "Method: PUT": {"RST_STREAM INTERNAL_ERROR"},
    "TE: none": {"RST_STREAM INTERNAL_ERROR"},
    "Authority: none": {"RST_STREAM INTERNAL_ERROR"},
    "Binary-Header: several joined by commas": {"INTERNAL"},
}
"""gRPC's core asks for no content type, and for TE and an authority."""

WITHOUT_AUTHORITY = {"Authority: none, it is optional"}


@pytest.mark.parametrize("case", HEADER_CASES)
def test_headers(peer, transport_name, case):
    p = peer()
    stream = p.open(headers=HEADER_CASES[case][1])
    p.write(Frame(DATA, END_STREAM, stream, EMPTY))
    outcome, expected = p.outcome(stream), HEADER_CASES[case][0]
    if transport_name == "grpcio":
        expected = HEADERS_BY_GRPCIO.get(case, expected)
    elif case in WITHOUT_AUTHORITY:
        expected = {"RST_STREAM PROTOCOL_ERROR"}  # nghttp2 asks for one, or for Host
    assert outcome in expected
    assert (p.answers[stream].body == LIVE_ANSWER) == (outcome == "OK")
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_an_answer_has_the_headers_that_grpc_asks_for(peer):
    """PROTOCOL-HTTP2, Responses."""
    p = peer()
    answer = p.answer(p.call())
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"].startswith("application/grpc")
    assert {"identity", "gzip", "deflate"} <= set(re.split(", ?", answer.headers["grpc-accept-encoding"]))
    assert answer.trailers["grpc-status"] == "0"
    assert ":status" not in answer.trailers


def test_a_call_without_a_method_is_answered_by_trailers_alone_before_it_ends(peer):
    """PROTOCOL-HTTP2, Trailers-Only; Early Server Closure: RST_STREAM with NO_ERROR lets go of the stream."""
    p = peer()
    stream = p.open("/none.None/None")
    answer = p.answer(stream)
    assert (answer.outcome, answer.headers[":status"], answer.body) == ("UNIMPLEMENTED", "200", b"")
    assert answer.headers["content-type"].startswith("application/grpc")
    assert p.ping()
    assert p.ping()
    assert Frame(0x3, 0, stream, bytes(4)) in p.frames


def test_data_of_a_call_that_was_answered_is_dropped_and_its_credit_given_back(peer):
    """RFC 9113, 5.1 and 6.9: frames under way are discarded, and still count for the connection's window."""
    p = peer()
    assert p.ping()
    for _ in range(40):
        stream = p.open("/none.None/None")
        p.write(*(Frame(DATA, 0, stream, bytes(16000)) for _ in range(4)))
        assert p.outcome(stream) == "UNIMPLEMENTED"
        p.h2.outbound_flow_control_window -= 64000
        while p.h2.outbound_flow_control_window < 64000:
            assert p.read()
    assert p.answer(p.call()).body == LIVE_ANSWER


CARDINALITY = {"UNIMPLEMENTED", "INTERNAL", "INVALID_ARGUMENT"}
"""statuscodes.md, a request count that does not fit its method: UNIMPLEMENTED. Other languages say INTERNAL."""

BROKEN = {"INTERNAL", "INVALID_ARGUMENT", "RST_STREAM PROTOCOL_ERROR", "RST_STREAM INTERNAL_ERROR"}
"""PROTOCOL-HTTP2, Errors: where the framing of messages is corrupt, a status or RST_STREAM."""

BODIES = {
    "no message": (CARDINALITY, lambda _: b""),
    "two messages": (CARDINALITY | {"OK"}, lambda body: body * 2),
    "half a prefix": (BROKEN, lambda body: body[:4]),
    "a prefix alone": (BROKEN, lambda body: body[:5]),
    "a message without its last byte": (BROKEN, lambda body: body[:-1]),
    "two bytes behind the message": (BROKEN | {"OK"}, lambda body: body + b"\0\0"),
    "Compressed-Flag without Message-Encoding": ({"INTERNAL"}, lambda body: b"\1" + body[1:]),
    "Compressed-Flag of 2": (BROKEN, lambda body: b"\2" + body[1:]),
    "Compressed-Flag of 128": (BROKEN, lambda body: b"\x80" + body[1:]),
    "a byte above the limit": ({"RESOURCE_EXHAUSTED"}, lambda _: message(bytes(MIB + 1))),
    "a length above the limit, and no more": (
        {"RESOURCE_EXHAUSTED"},
        lambda _: message(b"", claimed=MIB + 1),
    ),
    "the largest length": ({"RESOURCE_EXHAUSTED"}, lambda _: message(b"", claimed=(1 << 32) - 1)),
    "not protobuf": ({"INVALID_ARGUMENT", "INTERNAL"}, lambda _: message(b"\xff" * 3)),
}

UNANSWERED = "the core never answers a unary call whose message does not come"
BODIES_UNANSWERED_BY_GRPCIO = dict.fromkeys(
    [
        "no message",
        "half a prefix",
        "a prefix alone",
        "a message without its last byte",
        "Compressed-Flag of 2",
        "Compressed-Flag of 128",
    ],
    UNANSWERED,
)


@pytest.mark.parametrize("case", BODIES)
def test_bodies(peer, grpcio_differs, affine, case):
    grpcio_differs(case, BODIES_UNANSWERED_BY_GRPCIO)
    p = peer()
    body, y = affine(1, 2, 3)
    stream = p.call(INFER, BODIES[case][1](body))
    outcome = p.outcome(stream)
    assert outcome in BODIES[case][0]
    assert (y in p.answers[stream].body) == (outcome == "OK")
    assert y in p.answer(p.call(INFER, body)).body


def test_headers_that_end_the_stream_are_a_call_without_a_message(peer, grpcio_differs):
    """PROTOCOL-HTTP2, Requests: EOS stands on DATA; HTTP/2 allows it here too."""
    grpcio_differs("no message", BODIES_UNANSWERED_BY_GRPCIO)
    p = peer()
    assert p.outcome(p.open(INFER, end=True)) in CARDINALITY


def test_a_length_above_the_limit_is_refused_before_the_message_comes(peer, grpcio_differs):
    """Declared lengths count: nothing is kept for what will not be taken."""
    grpcio_differs("early", {"early": "it takes the first bytes and waits for the end of the stream"})
    p = peer()
    stream = p.open(INFER)
    p.write(Frame(DATA, 0, stream, message(b"", claimed=1 << 30)))
    assert p.outcome(stream) == "RESOURCE_EXHAUSTED"


CODED = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": None}


@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize("coding", CODED)
def test_messages_are_compressed_if_their_flag_says_so(peer, affine, coding, flag):
    """compression.md; PROTOCOL-HTTP2, Compressed-Flag: 0 means as it is, whatever Message-Encoding says."""
    p = peer()
    body, y = affine(1, 2, 3)
    if flag and CODED[coding]:
        body = message(CODED[coding](body[5:]), compressed=1)
    stream = p.call(INFER, bytes([flag]) + body[1:], ("grpc-encoding", coding))
    if flag and not CODED[coding]:
        assert p.outcome(stream) == "INTERNAL"  # compression.md, the last of its test cases
    else:
        assert y in p.answer(stream).body


@pytest.mark.parametrize("coding", ["br", "zstd", "GZIP", "gzip,deflate"])
def test_a_message_of_an_unknown_coding_is_unimplemented_and_says_which_are_known(
    peer, transport_name, affine, coding
):
    """compression.md, Compression Method Asymmetry Between Peers."""
    p = peer()
    body, _ = affine(1, 2, 3)
    stream = p.call(INFER, b"\1" + body[1:], ("grpc-encoding", coding))
    outcome = p.outcome(stream)
    if transport_name == "grpcio":
        assert outcome == "INTERNAL"  # as for any header that it cannot parse
    else:
        assert outcome == "UNIMPLEMENTED"
        known = re.split(", ?", p.answers[stream].headers["grpc-accept-encoding"])
        assert "gzip" in known
        assert coding not in known


COMPRESSED = {
    "damaged": lambda data: gzip.compress(data)[:-4] + b"xxxx",
    "cut": lambda data: gzip.compress(data)[:-6],
    "of another coding": zlib.compress,
    "with bytes behind it": lambda data: gzip.compress(data) + b"x",
    "not compressed": lambda data: data,
    "of no bytes": lambda _: b"",
}
COMPRESSED_BY_GRPCIO = dict.fromkeys(
    ["of another coding", "not compressed", "of no bytes"],
    "whether it is compressed is seen by its first bytes",
)


@pytest.mark.parametrize("case", COMPRESSED)
def test_what_cannot_be_unpacked_is_refused(peer, grpcio_differs, affine, case):
    """statuscodes.md: INTERNAL; ours is INVALID_ARGUMENT where the client's bytes are at fault."""
    grpcio_differs(case, COMPRESSED_BY_GRPCIO)
    p = peer()
    body, y = affine(1, 2, 3)
    packed = message(COMPRESSED[case](body[5:]), compressed=1)
    assert p.outcome(p.call(INFER, packed, ("grpc-encoding", "gzip"))) in {"INTERNAL", "INVALID_ARGUMENT"}
    assert y in p.answer(p.call(INFER, body)).body


def test_a_message_that_unpacks_to_more_than_the_limit_is_refused(peer, echo):
    """The limit of a message holds for what it unpacks to."""
    p = peer()
    packed = message(gzip.compress(echo(MIB // 2)[5:]), compressed=1)
    assert p.outcome(p.call(INFER, packed, ("grpc-encoding", "gzip"))) == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("timeout", ["1H", "99999999H", "5M", "300S", "300000m", "99999999m", "00000300S"])
def test_a_deadline_may_have_any_unit(peer, timeout):
    """PROTOCOL-HTTP2, Timeout: at most eight digits and a unit."""
    p = peer()
    assert p.answer(p.call(LIVE, EMPTY, ("grpc-timeout", timeout))).body == LIVE_ANSWER


@pytest.mark.parametrize("timeout", ["200m", "200000u", "99999999n"])
def test_a_call_ends_at_its_deadline(peer, count_to, steps_lasting, timeout):
    """PROTOCOL-HTTP2, Client Cancellation: RST_STREAM with CANCEL; a status is of use to clients too."""
    p = peer()
    body = message(count_to(steps_lasting(5)).SerializeToString())
    outcome = p.outcome(p.call(INFER, body, ("grpc-timeout", timeout)))
    assert outcome in {"DEADLINE_EXCEEDED", "RST_STREAM CANCEL"}
    assert p.answer(p.call()).body == LIVE_ANSWER


@pytest.mark.parametrize("timeout", ["0S", "0n", "1n"])
def test_a_deadline_that_is_over_ends_a_call_at_once(peer, count_to, steps_lasting, timeout):
    """Likewise."""
    p = peer()
    body = message(count_to(steps_lasting(5)).SerializeToString())
    outcome = p.outcome(p.call(INFER, body, ("grpc-timeout", timeout)))
    assert outcome in {"DEADLINE_EXCEEDED", "RST_STREAM CANCEL"}


@pytest.mark.parametrize(
    "timeout", ["S", "1", "1s", "-1S", "+1S", "1.5S", "1SS", "0x1S", "S1", "1 S", "999999999S", "\xb2S"]
)
def test_a_malformed_deadline_is_answered(peer, timeout):
    """No document says how; a status, and the connection goes on."""
    p = peer()
    stream = p.call(LIVE, EMPTY, ("grpc-timeout", timeout))
    assert p.outcome(stream) in {
        "OK",
        "INTERNAL",
        "INVALID_ARGUMENT",
        "HTTP 400",
        "RST_STREAM PROTOCOL_ERROR",
    }
    assert p.answer(p.call()).body == LIVE_ANSWER


@pytest.mark.parametrize("name", ["ä", "漢字", "100%", "%41", "a b~", "\U0001f600", "%zz%"])
def test_the_text_of_a_status_is_percent_encoded(peer, name):
    """PROTOCOL-HTTP2, Status-Message: UTF-8, and %XX for all but printable ASCII; the percent sign too."""
    p = peer()
    answer = p.answer(p.call(INFER, message(pb.ModelInferRequest(model_name=name).SerializeToString())))
    assert answer.outcome == "NOT_FOUND"
    text = answer.trailers["grpc-message"]
    assert re.fullmatch("([\x20-\x24\x26-\x7e]|%[0-9A-F]{2})*", text)
    assert f"'{name}'" in urllib.parse.unquote(text, errors="strict")


def test_headers_above_what_the_server_takes_cost_their_call_alone(peer):
    """PROTOCOL-HTTP2: servers may limit the size of Request-Headers."""
    p = peer()
    stream = p.stream()
    data = block(call_headers(LIVE, *((f"x-{at}", "x" * 1000) for at in range(64))))
    parts = [data[at : at + 16000] for at in range(0, len(data), 16000)]
    p.write(
        Frame(HEADERS, 0, stream, parts[0]), *(Frame(CONTINUATION, 0, stream, each) for each in parts[1:])
    )
    p.write(Frame(CONTINUATION, END_HEADERS, stream), Frame(DATA, END_STREAM, stream, EMPTY))
    assert p.outcome(stream) in ANY_STATUS | {
        "HTTP 431",
        "RST_STREAM ENHANCE_YOUR_CALM",
        "GOAWAY ENHANCE_YOUR_CALM",
    }
    other = peer()
    assert other.answer(other.call()).body == LIVE_ANSWER


OLD_REQUESTS = {
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/1.1 that would upgrade": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "a gRPC-Web call": b"POST " + LIVE.encode() + b" HTTP/1.1\r\nHost: localhost\r\ncontent-length: 5\r\n"
    b"content-type: application/grpc-web\r\n\r\n" + EMPTY,
    "HTTP/0.9": b"GET /\r\n",
}


@pytest.mark.parametrize("case", OLD_REQUESTS)
def test_older_versions_of_http_get_an_answer_or_a_clean_end(peer, case):
    """RFC 9113, 3.4: what does not begin with the preface is not HTTP/2. No hang, no part of a frame."""
    p = peer(greet=False)
    p.write(OLD_REQUESTS[case])
    data = b""
    while more := _received(p):
        data += more
    while data and not data.startswith(b"HTTP/1."):
        size = 9 + int.from_bytes(data[:3], "big")
        assert len(data) >= size
        data = data[size:]


def _received(p):
    try:
        return p.socket.recv(65536)
    except ConnectionResetError:
        return b""


def test_an_authorization_header_does_no_harm_where_there_are_no_tokens(peer):
    """PROTOCOL-HTTP2, Custom-Metadata."""
    p = peer()
    assert p.answer(p.call(LIVE, EMPTY, ("authorization", "Bearer x"))).body == LIVE_ANSWER


def test_a_stream_of_messages_is_framed_like_a_single_one(peer, affine):
    """PROTOCOL-HTTP2: Request-Headers *Length-Prefixed-Message EOS; messages and frames are not aligned."""
    p = peer()
    bodies = [affine(at, 0, 0) for at in range(5)]
    data = b"".join(body for body, _ in bodies)
    stream = p.open(STREAM)
    for at in range(0, len(data), 31):
        p.send(stream, data[at : at + 31], end=False)
    p.send(stream, b"")
    answer = p.answer(stream)
    assert answer.outcome == "OK"
    assert all(y in answer.body for _, y in bodies)
