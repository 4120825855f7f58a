import os
import socket

import pytest
from patience import PATIENCE

from serving.transport.grpcio import listening_sockets


@pytest.fixture
def listener():
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


@pytest.fixture
def port(listener):
    return listener.getsockname()[1]


def test_nobody_is_let_in_any_more_and_the_number_stays_taken(listener, port):
    before = os.fstat(listener.fileno()).st_ino
    listening_sockets.stop_listening(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    assert os.fstat(listener.fileno()).st_ino != before
    listener.close()


def test_another_listener_on_the_port_in_another_process_goes_on(port):
    ours, theirs = socket.socketpair()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        # In flight over a pair of sockets it is in no table of open files: as if another process had it.
        socket.send_fds(ours, [b"x"], [other.fileno()])
    listening_sockets.stop_listening(port)
    _, (number,), _, _ = socket.recv_fds(theirs, 1, 1)
    with (
        socket.socket(fileno=number) as still,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        still.accept()[0].close()
        assert client.recv(1) == b""
    ours.close()
    theirs.close()


def test_clients_read_what_was_written_and_then_the_end(listener, port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        accepted, _ = listener.accept()
        accepted.sendall(b"answer")
        assert listening_sockets.half_close_connections(port) == 1, (
            "ours; not the listener, and not the client's end"
        )
        assert client.recv(100) == b"answer"
        assert client.recv(100) == b""
        client.sendall(b"late")
        assert accepted.recv(100) == b"late"
        accepted.close()


def test_other_ports_are_left_alone(listener, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listening_sockets.stop_listening(other.getsockname()[1])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        accepted, _ = listener.accept()
        assert listening_sockets.half_close_connections(0) == 0
        accepted.close()


def test_without_a_list_of_open_files_nothing_is_done(listener, port, monkeypatch, tmp_path):
    monkeypatch.setattr(listening_sockets, "OPEN_FILES", tmp_path / "none")
    listening_sockets.stop_listening(port)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        accepted, _ = listener.accept()
        assert listening_sockets.half_close_connections(port) == 0
        accepted.close()
