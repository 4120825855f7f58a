"""Connections that attack: what each may cost the server and its other clients, by the number of its CVE.

Each sends a bounded number of frames. The bounds are far from what a server that bounds them needs, and far from
what one that does not needs.
"""

import functools
import gzip
import socket
import ssl
import time
from contextlib import ExitStack, closing, contextmanager, suppress

import grpc
import pytest
import trustme
from attack_cost import MIB, Victim, closed, flood
from attack_frames import AFTER_THE_END, CALL, ENDS, FLOODS, MOST, OPEN, frames, streams
from http2 import (
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    Frame,
    block,
    call_headers,
    message,
)
from raw_peer import EMPTY, INFER, RawPeer, Setting, credit

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@functools.lru_cache(maxsize=1)
def flood_of(name):
    """The bytes of a flood; the last is kept, because it is sent again."""
    return FLOODS[name]()


MAY_GO_ON = {"2019-9513: PRIORITY", "unknown frames"}
"""What a server may ignore for as long as it comes, if it reads over it and keeps nothing (RFC 9113, 5.3 and 5.5)."""

ENDED_BY_GRPCIO = {"2019-9518: empty DATA", "2019-9518: empty CONTINUATION", "2025-8671: WINDOW_UPDATE of 0"}
"""Where gRPC's core ends the connection too. It goes on with the others for as long as they are sent.

A second of each takes 0.1 to 1.2 s of its processor: most for PING (1.2), headers without names (1.3), PRIORITY (0.5)
and the resets (0.4 to 0.6). It grows by up to 50 MB for headers without names and small CONTINUATION frames, and by
65 MB for an HPACK bomb; other clients wait 0.4 s for that one, and up to 1.4 s for small CONTINUATION frames.
"""


@pytest.fixture(scope="module")
def victim(wire_server):
    """The server, beside an ordinary client."""
    made = Victim(wire_server)
    yield made
    made.close()


@pytest.fixture
def only_native(transport_name):
    """Skip what gRPC's core does not bound."""
    if transport_name == "grpcio":
        pytest.skip("grpcio: the core does not bound it")


@contextmanager
def attackers(address, count=1, **options):
    """So many connections."""
    with ExitStack() as opened:
        yield [opened.enter_context(closing(RawPeer(address, **options))) for _ in range(count)]


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "not reading"])
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection_before_it_costs_much(victim, transport_name, name, reads):
    """A client that does not read may also be held back: its own output fills what the server keeps for it."""
    if transport_name == "grpcio" and name not in ENDED_BY_GRPCIO:
        pytest.skip("grpcio: the core does not bound it")
    data = flood_of(name)

    def attack():
        with attackers(victim.address) as (p,):
            how = flood(p, data, reads=reads)
            held_back = how == "held back" and not reads
            assert how == "ended" or held_back or name in MAY_GO_ON or closed(p)

    victim.bounded(attack)


@pytest.mark.usefixtures("only_native")
def test_windows_that_grow_byte_by_byte_end_their_connection(victim, echo):
    """CVE-2019-9511, data dribble: each credit of a byte makes the server send a frame for it.

    gRPC's core sends them all: 1 s of processor a second.
    """
    request = echo(100_000)

    def attack():
        with attackers(victim.address, settings={Setting.INITIAL_WINDOW_SIZE: 0}) as (p,):
            calls = [p.call(INFER, request) for _ in range(8)]
            assert p.ping()
            dribble = b"".join(credit(stream, 1).encoded() for stream in calls) * 20_000
            assert flood(p, dribble, reads=True) == "ended" or closed(p)

    victim.bounded(attack)


def ask_for_much(p, echo):
    """400 calls of few bytes, with answers of 600 KB each."""
    small = message(gzip.compress(echo(150_000)[5:]), compressed=1)
    headers = block(call_headers(INFER, ("grpc-encoding", "gzip")))
    flood(
        p, streams(400, lambda s: frames(Frame(HEADERS, END_HEADERS, s, headers), Frame(DATA, 1, s, small)))
    )
    time.sleep(0.5)


def test_answers_that_nobody_reads_are_not_piled_up(victim, echo):
    """CVE-2019-9517, internal data buffering: HTTP/2's windows are open and TCP's is not. 400 answers of 600 KB."""

    def attack():
        with attackers(victim.address, settings={Setting.INITIAL_WINDOW_SIZE: MOST}) as (p,):
            p.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            p.write(credit(0, MOST - 65535))
            ask_for_much(p, echo)

    victim.bounded(attack, processor=2, memory=96 * MIB, waited=1.5)


def test_calls_whose_windows_stay_shut_are_not_piled_up(victim, echo):
    """Zero windows held: the answers of 400 calls, of 600 KB each, wait for credit that does not come."""

    def attack():
        with attackers(victim.address, settings={Setting.INITIAL_WINDOW_SIZE: 0}) as (p,):
            ask_for_much(p, echo)

    victim.bounded(attack, processor=2, memory=96 * MIB, waited=1.5)


def test_streams_that_never_end_cost_what_they_weigh(victim):
    """Ten connections with a thousand calls each, whose messages never come."""
    data = streams(1000, lambda s: frames(Frame(HEADERS, END_HEADERS, s, CALL), Frame(DATA, 0, s, EMPTY[:3])))

    def attack():
        with attackers(victim.address, 10) as all_:
            for p in all_:
                flood(p, data)
            assert not any(closed(each, 0.1) for each in all_)

    victim.bounded(attack, processor=4, memory=160 * MIB, waited=1.5)


def test_lengths_that_are_declared_are_not_allocated(victim):
    """A thousand messages that declare all that is allowed, a MiB each, and of which ten bytes come."""
    start = message(bytes(10), claimed=MIB)
    data = streams(1000, lambda s: frames(Frame(HEADERS, END_HEADERS, s, CALL), Frame(DATA, 0, s, start)))

    def attack():
        with attackers(victim.address) as (p,):
            flood(p, data)
            assert not closed(p, 0.5)

    victim.bounded(attack, processor=1.5, waited=1)


def test_headers_that_come_slowly_hold_up_nobody(victim):
    """Two hundred connections whose headers come a byte at a time and never end."""
    slow = Frame(HEADERS, END_HEADERS, 1, CALL).encoded()

    def attack():
        with attackers(victim.address, 200) as all_:
            for at in range(10):
                for p in all_:
                    p.write(slow[at : at + 1])

    victim.bounded(attack)


def test_a_crowd_of_decompression_bombs_is_unpacked_no_further_than_allowed(victim, echo):
    """Forty messages of 16 KB that would become 16 MiB each, where a MiB is allowed."""
    packed = message(gzip.compress(echo(4 * MIB)[5:]), compressed=1)

    def attack():
        with attackers(victim.address, 10) as all_:
            calls = [(p, p.call(INFER, packed, ("grpc-encoding", "gzip"))) for p in all_ for _ in range(4)]
            assert {p.outcome(stream) for p, stream in calls} == {"RESOURCE_EXHAUSTED"}

    victim.bounded(attack, processor=2, waited=1)


def test_connections_that_are_opened_and_closed_hold_up_nobody(victim):
    """A flood of TCP handshakes; every other connection is reset before it says anything."""

    def attack():
        for at in range(1500):
            with attackers(victim.address, greet=bool(at % 2)):
                pass

    victim.bounded(attack, processor=2.5)


@pytest.mark.parametrize("end", ENDS)
def test_frames_behind_the_end_of_a_session_harm_nobody(victim, grpcio_differs, end):
    """CVE-2026-27135: nghttp2 before 1.68.1 reads on after a session was terminated, and aborts at FRAME_SIZE_ERROR.

    All comes in one segment, so that it is in the server's buffer when the session ends; and once more with each of
    the frames after all others.
    """
    grpcio_differs(end, {"a flood": "the core does not end it"})

    def attack():
        for behind in AFTER_THE_END.values():
            with attackers(victim.address) as (p,):
                p.write(OPEN, ENDS[end], behind, *AFTER_THE_END.values())
                p.write(behind)
                closed(p, 0.02)

    victim.bounded(attack, processor=1.5)


def test_a_client_that_does_what_grpc_clients_do_is_never_taken_for_an_attacker(peer, grpcio_differs, affine):
    """Credit and a PING to measure the bandwidth for ten answers, settings now and then, a call in four cancelled."""
    grpcio_differs("pings", {"pings": "the core ends a connection that pings more often than every 10 s"})
    p = peer()
    body, y = affine(1, 2, 3)
    for at in range(1000):
        stream = p.call(INFER, body)
        if at % 4 == 0:
            p.h2.reset_stream(stream)
            p.write(p.h2.data_to_send())
            continue
        if at % 10 == 1:
            p.write(credit(0, 10_000), Frame(PING, 0, 0, bytes(8)))
        if at % 100 == 1:
            p.settings({Setting.INITIAL_WINDOW_SIZE: 65535 + at})
        answer = p.answer(stream)
        assert y in answer.body, (at, answer, p.goaway)
    assert p.ping()


@pytest.fixture(scope="module")
def tls_victim(module_server, tmp_path_factory, onnx_models):
    """A server with TLS, beside an ordinary client."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "models" / "affine" / "1").mkdir(parents=True)
    (folder / "models" / "affine" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    pem = str(folder / "server.pem")
    server = module_server(folder / "models", "--tls-certificate", pem, "--tls-key", pem)
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    made = Victim(server, grpc.ssl_channel_credentials(authority.cert_pem.bytes()))
    yield made, context
    made.close()


def test_a_flood_of_tls_handshakes_leaves_others_their_turn(tls_victim):
    """Two hundred handshakes, each a signature of the server's: about a millisecond of its processor."""
    victim, context = tls_victim

    def attack():
        for _ in range(200):
            with attackers(victim.address, tls=context):
                pass

    victim.bounded(attack, processor=1.5)


def test_tls_handshakes_that_stop_after_the_first_message_hold_up_nobody(tls_victim):
    """Two hundred connections that send a ClientHello, for which the server signs, and then nothing."""
    victim, context = tls_victim
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    data = outgoing.read()

    def attack():
        with attackers(victim.address, 200, greet=False) as all_:
            for p in all_:
                p.write(data)
            time.sleep(0.5)

    victim.bounded(attack, processor=1.5)
