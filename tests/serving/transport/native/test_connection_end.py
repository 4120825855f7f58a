"""How the native front end ends connections."""

import gzip
import socket

import psutil
import pytest
from http2 import DATA, END_HEADERS, HEADERS, Frame, block, call_headers, message
from patience import until
from raw_peer import INFER, RawPeer, Setting, credit

WINDOW = (1 << 31) - 1


@pytest.fixture(autouse=True)
def only_native(transport_name):
    if transport_name == "grpcio":
        pytest.skip("about the native front end")


def test_a_connection_that_breaks_the_protocol_ends_although_its_client_reads_nothing(wire_server, echo):
    small = message(gzip.compress(echo(150_000)[5:]), compressed=1)
    peer = RawPeer(wire_server.address, settings={Setting.INITIAL_WINDOW_SIZE: WINDOW})
    port = peer.socket.getsockname()[1]

    def connected():
        connections = psutil.Process(wire_server.process.pid).net_connections("tcp")
        return any(each.raddr and each.raddr.port == port for each in connections)

    try:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.write(credit(0, WINDOW - 65535))
        headers = block(call_headers(INFER, ("grpc-encoding", "gzip")))
        for stream in range(1, 81, 2):
            peer.write(Frame(HEADERS, END_HEADERS, stream, headers), Frame(DATA, 1, stream, small))
        until(connected)
        peer.write(Frame(DATA, 0, 0, b"on no stream"))
        # What waits for the socket cannot be sent, and would keep the connection for ever.
        until(lambda: not connected())
    finally:
        peer.close()
