"""Flow control and streams: a server sends no more than it may, and takes no more than it has room for.

The sections are RFC 9113's. h2 raises where the server sends more than a window or a frame size allows.
"""

import itertools
from contextlib import suppress

import numpy as np
import psutil
import pytest
from http2 import DATA, END_HEADERS, END_STREAM, HEADERS, Frame, block, call_headers, message
from patience import PATIENCE
from raw_peer import EMPTY, INFER, LIVE, LIVE_ANSWER, STREAM, Setting, credit

from protos import open_inference_pb2 as pb

MIB = 1 << 20


def whole(answer, width):
    """Whether an answer of echo has all its bytes."""
    response = pb.ModelInferResponse.FromString(answer.body[5:])
    return answer.outcome == "OK" and response.raw_output_contents[0] == bytes(4 * width)


@pytest.mark.parametrize("window", [1, 7, 100, 65535, (1 << 31) - 1])
def test_an_answer_comes_whole_through_any_window(peer, echo, window):
    """6.9.2. Each piece that is read gives its credit back."""
    width = min(300 * window, 100_000)
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: window})
    assert whole(p.answer(p.call(INFER, echo(width))), width)


@pytest.mark.parametrize("size", [16384, 16385, 1 << 20, (1 << 24) - 1])
def test_an_answer_comes_in_frames_that_the_client_takes(peer, echo, size):
    """4.2; 6.5.2, SETTINGS_MAX_FRAME_SIZE."""
    p = peer(settings={Setting.MAX_FRAME_SIZE: size, Setting.INITIAL_WINDOW_SIZE: 2 * MIB})
    p.write(credit(0, 2 * MIB))
    p.h2.increment_flow_control_window(2 * MIB)
    p.h2.clear_outbound_data_buffer()
    assert whole(p.answer(p.call(INFER, echo(200_000))), 200_000)
    assert max(len(each.payload) for each in p.frames if each.kind == DATA) <= size


def test_a_window_of_nothing_holds_the_data_and_not_the_headers(peer, echo):
    """6.9: only DATA is subject to flow control."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: 0})
    stream = p.call(INFER, echo(100))
    while not p.answers[stream].headers:
        assert p.read()
    assert p.reaction(stream) == "nothing"
    assert p.answers[stream].body == b""
    p.h2.increment_flow_control_window(1000, stream)
    p.write(p.h2.data_to_send())
    assert whole(p.answer(stream), 100)


def test_a_call_without_data_in_its_answer_needs_no_window(peer):
    """6.9: trailers pass a window of nothing."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: 0})
    assert p.outcome(p.open("/none.None/None")) == "UNIMPLEMENTED"


def test_settings_open_the_windows_of_streams_that_there_are(peer, echo):
    """6.9.2: a change of SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all open streams."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: 0})
    streams = [p.call(INFER, echo(1000)) for _ in range(5)]
    assert p.ping()
    p.settings({Setting.INITIAL_WINDOW_SIZE: 65535})
    assert all(whole(p.answer(stream), 1000) for stream in streams)


def test_settings_may_make_a_window_negative(peer, echo):
    """6.9.2: the server sends nothing until WINDOW_UPDATEs have made up for it."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: 10_000})
    p.grants = False
    stream = p.call(INFER, echo(10_000))
    while len(p.answers[stream].body) < 10_000:
        assert p.read()
    p.settings({Setting.INITIAL_WINDOW_SIZE: 100})
    assert p.ping()  # from here on the window is -9900
    for amount in (5000, 4900):
        p.h2.increment_flow_control_window(amount, stream)
        p.write(p.h2.data_to_send())
        assert p.reaction(stream) == "nothing"
        assert len(p.answers[stream].body) == 10_000
    p.h2.increment_flow_control_window(50_000, stream)
    p.write(p.h2.data_to_send())
    assert whole(p.answer(stream), 10_000)


def test_the_window_of_the_connection_is_shared_and_kept_to(peer, echo):
    """6.9.1: no stream may send past it, whatever its own window allows."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: MIB})
    p.grants = False
    streams = [p.call(INFER, echo(10_000)) for _ in range(4)]
    while sum(len(p.answers[each].body) for each in streams) < 65535:
        assert p.read()
    assert p.ping()
    assert p.ping()
    assert sum(len(p.answers[each].body) for each in streams) == 65535
    p.h2.increment_flow_control_window(MIB)
    p.write(p.h2.data_to_send())
    assert all(whole(p.answer(each), 10_000) for each in streams)


def test_a_stream_without_credit_holds_up_no_other(peer, echo):
    """5.2.1: flow control keeps streams from blocking each other."""
    p = peer(settings={Setting.INITIAL_WINDOW_SIZE: 0})
    held = [p.call(INFER, echo(1000)) for _ in range(10)]
    stream = p.call()
    p.h2.increment_flow_control_window(1000, stream)
    p.write(p.h2.data_to_send())
    assert p.answer(stream).body == LIVE_ANSWER
    assert not any(p.answers[each].body for each in held)


def test_credit_comes_back_for_all_that_is_sent_on_one_connection(peer, echo):
    """6.9: many times the connection's window, one call after the other, and side by side."""
    p = peer()
    body = echo(150_000)
    assert all(whole(p.answer(p.call(INFER, body)), 150_000) for _ in range(20))
    streams = [p.call(INFER, body) for _ in range(8)]
    assert all(p.outcome(stream) in {"OK", "RESOURCE_EXHAUSTED"} for stream in streams)
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_credit_comes_back_for_padding(peer, grpcio_differs):
    """6.1: the whole payload counts, padding included."""
    grpcio_differs("padding", {"padding": "the core does not know padding"})
    p = peer()
    assert p.ping()
    for _ in range(3):
        stream = p.open(LIVE)
        for _ in range(1000):
            while min(p.h2.local_flow_control_window(stream), p.h2.outbound_flow_control_window) < 256:
                assert p.read()
            p.h2.send_data(stream, b"", pad_length=255)
            p.write(p.h2.data_to_send())
        p.send(stream, EMPTY)
        assert p.answer(stream).body == LIVE_ANSWER


def test_credit_comes_back_for_streams_that_were_reset(peer, echo):
    """6.9: DATA counts for the connection's window although its stream is no more."""
    p = peer()
    part = echo(30_000)[:60_000]
    for _ in range(100):
        stream = p.open(INFER)
        p.send(stream, part, end=False)
        p.h2.reset_stream(stream)
        p.write(p.h2.data_to_send())
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_no_more_calls_are_taken_than_the_server_announced(peer):
    """5.1.2: one more is an error, REFUSED_STREAM or PROTOCOL_ERROR."""
    p = peer()
    assert p.ping()
    most = p.h2.remote_settings.max_concurrent_streams
    assert most <= 1 << 16
    streams = [p.open() for _ in range(most)]
    p.h2.remote_settings[Setting.MAX_CONCURRENT_STREAMS] = most + 1
    p.h2.remote_settings.acknowledge()
    extra = p.stream()
    p.write(Frame(HEADERS, END_HEADERS, extra, block(call_headers(LIVE))))
    reaction = p.reaction(extra)
    assert reaction in {"RST_STREAM REFUSED_STREAM", "RST_STREAM PROTOCOL_ERROR", "GOAWAY PROTOCOL_ERROR"}
    if "GOAWAY" in reaction:
        return  # 5.4.1: a stream error may be treated as one of the connection
    for stream in (streams[0], streams[-1]):
        p.write(Frame(DATA, END_STREAM, stream, EMPTY))
        assert p.answer(stream).body == LIVE_ANSWER
    assert p.answer(p.call()).body == LIVE_ANSWER


def messages(body):
    """The messages of a body."""
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append(pb.ModelStreamInferResponse.FromString(body[5 : 5 + size]))
        body = body[5 + size :]
    return found


def numbered(p, stream):
    """The ids of the answers that have come on a stream."""
    return [each.infer_response.id for each in messages(p.answers[stream].body)]


def test_a_stream_is_answered_message_by_message_before_it_ends(peer, affine):
    """gRPC over HTTP/2, Outline: requests and responses are streams of their own."""
    p = peer()
    stream = p.open(STREAM)
    for at in range(1, 4):
        body, y = affine(at, at, at)
        p.send(stream, body, end=False)
        while p.answers[stream].body.count(y) == 0:
            assert p.read()
    assert not p.answers[stream].ended
    p.send(stream, b"")
    assert p.outcome(stream) == "OK"


def test_a_stream_without_messages_ends_well(peer):
    """Likewise."""
    p = peer()
    assert p.outcome(p.call(STREAM, b"")) == "OK"
    assert p.outcome(p.open(STREAM, end=True)) == "OK"


def test_a_message_that_is_cut_off_ends_its_stream_with_a_status(peer, affine, grpcio_differs):
    """gRPC over HTTP/2, Errors."""
    grpcio_differs("cut", {"cut": "the core takes it for the end of the stream"})
    p = peer()
    body, y = affine(1, 2, 3)
    stream = p.call(STREAM, body + body[:-1])
    outcome = p.outcome(stream)
    assert outcome in {
        "INTERNAL",
        "INVALID_ARGUMENT",
        "RST_STREAM INTERNAL_ERROR",
        "RST_STREAM PROTOCOL_ERROR",
    }
    assert y in p.answers[stream].body or outcome != "OK"


def test_the_end_of_a_stream_waits_for_the_answers_to_all_its_messages(peer, echo):
    """A half-closed stream is answered to its end, in order."""
    p = peer()
    stream = p.call(STREAM, b"".join(echo(10, id=str(at)) for at in range(50)))
    assert p.outcome(stream) == "OK"
    assert numbered(p, stream) == [str(at) for at in range(50)]


def send_while_there_is_room(p, stream, data):
    """Send data until the server has granted no credit for a second; gives how much was sent."""
    sent = 0
    p.socket.settimeout(1)
    with suppress(TimeoutError):
        while sent < len(data):
            room = min(p.h2.local_flow_control_window(stream), p.h2.max_outbound_frame_size, len(data) - sent)
            if room:
                p.h2.send_data(stream, data[sent : sent + room])
                p.write(p.h2.data_to_send())
                sent += room
            else:
                assert p.read()
    p.socket.settimeout(PATIENCE)
    return sent


@pytest.mark.slow
def test_a_client_that_does_not_read_its_stream_makes_the_server_hold_little(peer, echo, wire_server):
    """5.2: back-pressure. While no answer is read, messages are not taken, or refused; then all are answered.

    The server holds 4 MiB of requests, four times its largest message; answers fill the windows before that.
    """
    p = peer()
    p.grants = False
    stream = p.open(STREAM)
    assert p.ping()
    server = psutil.Process(wire_server.process.pid)
    body, before = echo(100_000), server.memory_info().rss
    sent = send_while_there_is_room(p, stream, body * (96 * MIB // len(body)))
    assert server.memory_info().rss - before < 96 * MIB
    p.grants = True
    for each in (None, stream):
        p.h2.increment_flow_control_window(65535, each)
    p.write(p.h2.data_to_send())
    p.send(stream, body[sent % len(body) :] if sent % len(body) else b"")
    assert p.outcome(stream) == "OK"
    answers = messages(p.answers[stream].body)
    assert len(answers) == -(-sent // len(body))
    assert answers[0].infer_response.raw_output_contents[0] == bytes(400_000)


def test_a_reset_ends_a_stream_with_answers_under_way(peer, echo):
    """6.4; gRPC over HTTP/2, Client Cancellation."""
    p = peer()
    for _ in range(5):
        stream = p.open(STREAM)
        p.send(stream, echo(50_000) * 4, end=False)
        p.reset_in_answer(stream)
    assert p.answer(p.call()).body == LIVE_ANSWER


def test_many_streams_are_interleaved_on_one_connection(peer, echo):
    """5.: a frame of each stream in turn, unary calls between them."""
    p = peer()
    streams = {p.open(STREAM): [echo(100 + at, id=str(at)) for at in range(5)] for _ in range(10)}
    for turn in itertools.zip_longest(*streams.values()):
        for stream, body in zip(streams, turn, strict=True):
            p.send(stream, body, end=False)
        assert p.answer(p.call()).body == LIVE_ANSWER
    for stream in streams:
        p.send(stream, b"")
    for stream in streams:
        assert p.outcome(stream) == "OK"
        assert numbered(p, stream) == [str(at) for at in range(5)]


def test_messages_after_an_answer_that_ended_the_call_are_dropped(peer):
    """gRPC over HTTP/2, Early Server Closure."""
    p = peer()
    stream = p.open("/none.None/None")
    assert p.outcome(stream) == "UNIMPLEMENTED"
    p.write(Frame(DATA, 0, stream, message(np.float32([1]).tobytes())), Frame(DATA, END_STREAM, stream))
    assert p.answer(p.call()).body == LIVE_ANSWER
