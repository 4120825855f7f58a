"""Requests with headers that HTTP/2 forbids end with a stream error, and the connection goes on.

The sections in the names are RFC 9113's. A server may answer 400 before it resets the stream (8.1.1).
"""

import pytest
from http2 import DATA, END_HEADERS, END_STREAM, HEADERS, Frame, block, call_headers
from raw_peer import EMPTY, LIVE, LIVE_ANSWER

MALFORMED = {"RST_STREAM PROTOCOL_ERROR", "GOAWAY PROTOCOL_ERROR", "HTTP 400"}


def valid(**replaced):
    """The headers of a valid call; ``method="GET"`` replaces ``:method``, and None leaves it out."""
    changed = {f":{name}": value for name, value in replaced.items()}
    headers = [(name, changed.get(name, value)) for name, value in call_headers(LIVE)]
    return [(name, value) for name, value in headers if value is not None]


def more(name, value=b"x"):
    return [*valid(), (name, value)]


CASES = {
    "8.2: a name in upper case": more("X-Client"),
    "8.2: a name with one letter in upper case": more("x-cLient"),
    "8.2.1: an empty name": more(""),
    "8.2.1: a name with a space": more("x client"),
    "8.2.1: a name with a colon": more("x:client"),
    "8.2.1: a name with NUL": more(b"x\x00"),
    "8.2.1: a name with DEL": more(b"x\x7f"),
    "8.2.1: a name that is not ASCII": more(b"x\xe9"),
    "8.2.1: a value with NUL": more("x-client", b"a\x00b"),
    "8.2.1: a value with a line feed": more("x-client", b"a\nb"),
    "8.2.1: a value with a carriage return": more("x-client", b"a\rb"),
    "8.2.1: a value that begins with a space": more("x-client", b" a"),
    "8.2.1: a value that ends with a tab": more("x-client", b"a\t"),
    "8.2.2: connection": more("connection", "keep-alive"),
    "8.2.2: keep-alive": more("keep-alive", "timeout=5"),
    "8.2.2: proxy-connection": more("proxy-connection", "keep-alive"),
    "8.2.2: transfer-encoding": more("transfer-encoding", "chunked"),
    "8.2.2: upgrade": more("upgrade", "h2c"),
    "8.2.2: te that is not trailers": [
        (name, "gzip" if name == "te" else value) for name, value in call_headers(LIVE)
    ],
    "8.3: an unknown pseudo-header": [(":client", "x"), *valid()],
    "8.3: a pseudo-header of responses": [(":status", "200"), *valid()],
    "8.3: a pseudo-header behind others": [*valid(path=None), (":path", LIVE)],
    "8.3.1: no :method": valid(method=None),
    "8.3.1: no :scheme": valid(scheme=None),
    "8.3.1: no :path": valid(path=None),
    "8.3.1: an empty :path": valid(path=""),
    "8.3.1: two :path": [(":path", LIVE), *valid()],
    "8.3.1: two :method": [(":method", "POST"), *valid()],
    "8.3.1: two :scheme": [(":scheme", "http"), *valid()],
    "8.3.1: two :authority": [(":authority", "localhost"), *valid()],
    "8.5: CONNECT with :path and :scheme": valid(method="CONNECT"),
    "8.1.1: a content-length above what comes": more("content-length", "6"),
    "8.1.1: a content-length below what comes": more("content-length", "4"),
    "8.1.1: a content-length that is no number": more("content-length", "five"),
    "8.1.1: two content-lengths that differ": [*more("content-length", "5"), ("content-length", "6")],
}


TRAILERS = {
    "8.1: trailers that do not end the stream": (END_HEADERS, [("x-client", "x")]),
    "8.1: trailers with a pseudo-header": (END_HEADERS | END_STREAM, [(":path", LIVE)]),
    "8.2: trailers with a name in upper case": (END_HEADERS | END_STREAM, [("X-Client", "x")]),
    "8.2.2: trailers with connection": (END_HEADERS | END_STREAM, [("connection", "close")]),
}

GRPCIO = {
    "OK": """
        8.2.1: a value with NUL
        8.2.1: a value with a line feed
        8.2.1: a value with a carriage return
        8.2.1: a value that begins with a space
        8.2.1: a value that ends with a tab
        8.2.2: connection
        8.2.2: keep-alive
        8.2.2: proxy-connection
        8.2.2: transfer-encoding
        8.2.2: upgrade
        8.3: a pseudo-header of responses
        8.3: a pseudo-header behind others
        8.3.1: two :path
        8.3.1: two :method
        8.3.1: two :scheme
        8.1.1: a content-length above what comes
        8.1.1: a content-length below what comes
        8.1.1: a content-length that is no number
        8.1.1: two content-lengths that differ
        8.1: trailers with a pseudo-header
        8.2.2: trailers with connection""",
    "RST_STREAM INTERNAL_ERROR": """
        8.3.1: no :method
        8.3.1: no :scheme
        8.3.1: no :path""",
    "UNIMPLEMENTED": "8.3.1: an empty :path",
}
"""gRPC's core forgives much, and answers the rest with the status INTERNAL where RFC 9113 asks for a stream error."""

BY_GRPCIO = {line.strip(): outcome for outcome, cases in GRPCIO.items() for line in cases.splitlines()}

UNANSWERED_BY_GRPCIO = {
    "8.2.1: a name with NUL": "the core's status repeats NUL as it came, which is malformed itself",
    "8.1: trailers that do not end the stream": "the core neither answers nor resets for 20 seconds",
}


def check(p, stream, transport_name, case):
    if transport_name == "grpcio":
        assert p.outcome(stream) == BY_GRPCIO.get(case, "INTERNAL")
    else:
        assert p.outcome(stream) in MALFORMED
        assert p.ping()
    good = p.call()
    assert p.answer(good).body == LIVE_ANSWER


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_request_ends_with_a_stream_error(peer, transport_name, grpcio_differs, case):
    grpcio_differs(case, UNANSWERED_BY_GRPCIO)
    p = peer()
    stream = p.open(headers=CASES[case])
    p.write(Frame(DATA, END_STREAM, stream, EMPTY))
    check(p, stream, transport_name, case)


@pytest.mark.parametrize("case", TRAILERS)
def test_malformed_trailers_end_with_a_stream_error(peer, transport_name, grpcio_differs, case):
    grpcio_differs(case, UNANSWERED_BY_GRPCIO)
    p = peer()
    stream = p.open()
    flags, headers = TRAILERS[case]
    p.write(Frame(DATA, 0, stream, EMPTY), Frame(HEADERS, flags, stream, block(headers)))
    check(p, stream, transport_name, case)


def test_valid_trailers_of_a_client_are_taken(peer):
    """RFC 9113, 8.1: a request may have trailers; END_STREAM stands on their HEADERS frame."""
    p = peer()
    stream = p.open()
    p.write(
        Frame(DATA, 0, stream, EMPTY),
        Frame(HEADERS, END_HEADERS | END_STREAM, stream, block([("x-client", "x"), ("x-bin", "AAE")])),
    )
    assert p.answer(stream).body == LIVE_ANSWER
