import socket

import free_ports


def test_each_call_gives_another_port_of_this_process(monkeypatch):
    monkeypatch.setattr(free_ports, "_WORKER", 3)
    ports = [free_ports.free_port() for _ in range(20)]
    assert len({*ports}) == 20
    first = free_ports.FIRST + 3 * free_ports.EACH
    assert all(first <= port < first + free_ports.EACH for port in ports)


def test_a_port_that_is_taken_is_left_out(monkeypatch):
    with socket.create_server(("127.0.0.1", free_ports.free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(
            free_ports, "_ATTEMPTS", iter([port - free_ports.FIRST, port - free_ports.FIRST + 1])
        )
        monkeypatch.setattr(free_ports, "_WORKER", 0)
        assert free_ports.free_port() != port
