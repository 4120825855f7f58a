"""The front end without an event loop: what it keeps, for how long, and what it does when memory runs out."""

import ctypes
import math
import mmap
import os
import resource
import select
import socket
import time
import weakref
from contextlib import closing, contextmanager
from pathlib import Path

import hpack
import psutil
import pytest
from http2 import ACK, DATA, END_HEADERS, HEADERS, PREFACE, RESET, SETTINGS, Frame, block, call, call_headers
from http2 import message as prefixed
from patience import PATIENCE

_frontend = pytest.importorskip("serving.transport.native._frontend", exc_type=ImportError)

UNARY, STREAM = "/test/Unary", "/test/Stream"
MIB = 1 << 20
MAP_NORESERVE = 0x4000  # which mmap does not name


class Driven:
    """A front end that the test turns itself, with clients in the same thread.

    Args:
        admit: Asked whether a call is admitted.
        message_bytes: The largest request.
    """

    def __init__(self, admit=lambda *_: None, message_bytes=MIB):
        limits = (message_bytes, 10.0, 300.0, 60.0, 20.0, 1024, 10.0, math.inf)
        self.begun = []
        self.begin = self.begun.append
        self.front = _frontend.FrontEnd(limits, admit, lambda call: self.begin(call), None)  # noqa: PLW0108  tests replace it
        self.unary = self.front.add_method(UNARY, False, True)  # noqa: FBT003  positional
        self.stream = self.front.add_method(STREAM, True, True)  # noqa: FBT003  positional
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)  # noqa: FBT003  likewise
        self.address = listener.getsockname()
        self.front.listen(listener.detach())

    def connect(self):
        """A client that has said hello."""
        client = socket.create_connection(self.address)
        client.sendall(PREFACE + Frame(SETTINGS).encoded() + Frame(SETTINGS, ACK).encoded())
        return client

    def turn(self):
        return self.front.turn(0.01, True)  # noqa: FBT003  positional

    def events(self, count=1):
        """Turn until so many calls and batches are to be answered."""
        found = []
        self.turn_until(lambda: len(found) >= count, found)
        return found

    def turn_until(self, happens, found=None):
        """Turn until something is true; ``found`` gets what the turns give."""
        end = time.monotonic() + PATIENCE
        while not happens():
            assert time.monotonic() < end, "it did not happen"
            given = self.turn()
            if found is not None:
                found += given

    def close(self):
        self.front.close()
        self.turn()


@pytest.fixture
def driven():
    with closing(Driven()) as made:
        yield made


def frames(*given):
    return b"".join(each.encoded() for each in given)


def request(stream, body=b"abcdef", path=UNARY):
    return frames(*call(stream, path, prefixed(body)))


def sockets():
    """The file descriptors of this process that are sockets."""
    return {int(each.name) for each in Path("/proc/self/fd").iterdir() if each.is_socket()}


def huge():
    """More bytes than the length of a gRPC message can say; none of them is ever touched."""
    return mmap.mmap(-1, 1 << 32, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)


def test_a_socket_that_another_process_has_too_is_forgotten_when_its_connection_ends(driven):
    """A process that is forked has it until it calls exec. The system goes on to tell of such a socket."""
    before = sockets()
    with closing(driven.connect()) as client:
        driven.turn_until(lambda: driven.front.connections == 1)
        (accepted,) = sockets() - before - {client.fileno()}
        copy = os.dup(accepted)
    try:
        driven.turn_until(lambda: driven.front.connections == 0)
        assert select.select([driven.front], [], [], 0)[0] == []
    finally:
        os.close(copy)


def test_a_front_end_that_is_closed_lets_go_of_what_it_calls():
    """Otherwise a transport, whose method that is, and its front end would keep each other for ever."""

    def admit(*_):
        return None

    kept = weakref.ref(admit)
    made = Driven(admit)
    del admit
    assert kept() is not None
    made.close()
    assert kept() is None


def test_an_answer_whose_length_cannot_be_said_is_an_error(driven):
    with closing(driven.connect()) as client, closing(huge()) as answer:
        client.sendall(request(1))
        (single,) = driven.events()
        with pytest.raises(ValueError, match=r"a message of 4294967296 bytes .* at most 4294967295"):
            single.answer(answer)
        single.answer(b"")


def test_a_batch_whose_answer_is_too_long_can_still_be_split(driven):
    driven.front.remember(driven.unary, "template", [b"ab", b"ef"], [2], 0, 0)
    with closing(driven.connect()) as client, closing(huge()) as answer:
        client.sendall(request(1))
        (batch,) = driven.events()
        with pytest.raises(ValueError, match="at most 4294967295"):
            batch.answer([b"y"], [answer])
        assert not batch.settled
        batch.split()
        driven.begun.pop().answer(b"")


def test_calls_may_end_after_a_batch_that_could_not_be_split(driven):
    """An error of Python while the first is begun; the batch does not look at the others any more."""

    def fail(_call):
        raise RuntimeError

    driven.begin = fail
    driven.front.remember(driven.unary, "template", [b"ab", b"ef"], [2], 0, 0)
    with closing(driven.connect()) as client:
        client.sendall(request(1) + request(3))
        (batch,) = driven.events()
        with pytest.raises(RuntimeError):
            batch.split()
        del batch
    driven.turn_until(lambda: driven.front.connections == 0)


@contextmanager
def memory_limited(more):
    """Let the process have only so many bytes more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def statuses(client):
    """What calls have ended with, by stream."""
    client.setblocking(False)  # noqa: FBT003  positional
    received, decoder, found = client.recv(MIB), hpack.Decoder(), {}
    while received:
        size, kind, stream = (int.from_bytes(received[a:b], "big") for a, b in ((0, 3), (3, 4), (5, 9)))
        if kind == HEADERS:
            found[stream] = dict(decoder.decode(received[9 : 9 + size])).get("grpc-status")
        received = received[9 + size :]
    return found


@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer has a use for all addresses"
)
@pytest.mark.parametrize("batched", [False, True], ids=["single", "in a batch"])
def test_a_request_that_memory_does_not_suffice_for_is_refused_and_the_next_is_answered(batched):
    """There is enough to read it, and not enough to hand it over."""
    size = 64 * MIB
    body = prefixed(bytes(size))
    with closing(Driven(message_bytes=size)) as driven, closing(driven.connect()) as client:
        if batched:
            driven.front.remember(driven.unary, "template", [bytes(2), bytes(2)], [size - 4], 0, 0)
        client.sendall(Frame(HEADERS, END_HEADERS, 1, block(call_headers(UNARY))).encoded())
        with memory_limited(size * 3 // 2):
            for at in range(0, len(body), 1 << 17):
                last = at + (1 << 17) >= len(body)
                client.sendall(Frame(DATA, int(last), 1, body[at : at + (1 << 17)]).encoded())
                assert driven.turn() == []
            assert driven.turn() == []
        client.sendall(request(3))
        (single,) = driven.events()
        single.answer(b"y")
        driven.turn()
        assert statuses(client) == {1: "8", 3: "0"}


def in_use():
    """Bytes that were allocated and not freed, without those of small Python objects."""
    library = ctypes.CDLL(None)
    try:
        count = library.__sanitizer_get_current_allocated_bytes
    except AttributeError:
        fields = [
            (name, ctypes.c_size_t) for name in "arena ordblks smblks hblks large u f allocated g k".split()
        ]
        library.mallinfo2.restype = type("Allocations", (ctypes.Structure,), {"_fields_": fields})
        made = library.mallinfo2()
        return made.large + made.allocated
    count.restype = ctypes.c_size_t
    return count()


def visit(driven):
    """A connection whose calls end in each way there is, the last ones with the connection."""
    with closing(driven.connect()) as client:
        stream = frames(*call(9, STREAM, prefixed(b"1") + prefixed(bytes(10_000))))
        client.sendall(
            request(1) + request(3, b"abxxef") + request(5, b"abyyef") + request(7, b"other") + stream
        )
        calls = []
        for event in driven.events(3):
            if isinstance(event, _frontend.Batch):
                event.split()
            else:
                calls.append(event)
        calls = [*driven.begun, *calls]
        driven.begun.clear()
        for each in calls:
            each.owner = driven
        answered, refused = calls[:2]
        answered.answer(b"1" * 10_000)
        refused.end((3, "wrong", [("why", "so")]))
        (streaming,) = (each for each in calls if each.method == driven.stream)
        assert streaming.take() == b"1"
        streaming.send(b"2" * 10_000)
        driven.front.flush()
        client.sendall(Frame(RESET, 0, 7, bytes(4)).encoded() + request(11) + request(13))
        found = []
        driven.turn_until(lambda: any(isinstance(each, _frontend.Batch) for each in found), found)
        found.clear()
    driven.turn_until(lambda: driven.front.connections == 0)


def test_nothing_stays_of_calls_and_connections_that_have_ended(driven):
    """Ten thousand calls."""
    driven.front.remember(driven.unary, "template", [b"ab", b"ef"], [2], 0, 0)
    for _ in range(200):
        visit(driven)
    memory, files = in_use(), sockets()
    for _ in range(1500):
        visit(driven)
    assert in_use() - memory < 50_000  # 33 bytes a connection
    assert sockets() == files
