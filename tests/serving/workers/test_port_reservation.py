import socket

import pytest

from serving.errors import AddressError
from serving.workers.port_reservation import reserve


def listening(port, *, shared):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def test_workers_share_the_port_and_a_server_that_wants_it_alone_is_refused():
    with reserve("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listening(port, shared=False)
        with listening(port, shared=True), listening(port, shared=True):
            with pytest.raises(OSError, match="in use"):
                listening(port, shared=False)
            with pytest.raises(
                AddressError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
            ):
                reserve("127.0.0.1", port)


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_somebody_listens_on_is_not_joined(shared):
    with listening(0, shared=shared) as other, pytest.raises(AddressError, match="Address already in use"):
        reserve("127.0.0.1", other.getsockname()[1])


def test_connections_of_an_earlier_server_that_linger_are_no_obstacle():
    server = listening(0, shared=False)
    port = server.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = server.accept()
        # Whoever closes first keeps the port in TIME_WAIT.
        accepted.close()
        server.close()
        client.recv(1)
    reserve("127.0.0.1", port).close()


def test_a_host_that_does_not_exist_is_told():
    with pytest.raises(AddressError, match=r"cannot listen on no\.such\.host\.invalid:0"):
        reserve("no.such.host.invalid", 0)
