"""Where a server is, as people write it."""

import pytest

from serving.cli import main, parser
from serving.client import AsyncClient, Client
from serving.client.errors import AddressError
from serving.endpoint.server_address import target


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("localhost", "localhost:8001"),
        ("models.example.org", "models.example.org:8001"),
        ("127.0.0.1", "127.0.0.1:8001"),
        ("127.0.0.1:9", "127.0.0.1:9"),
        ("localhost:65535", "localhost:65535"),
        ("under_score:1", "under_score:1"),
        ("::1", "[::1]:8001"),
        ("fe80::1%eth0", "[fe80::1%eth0]:8001"),
        ("[::1]", "[::1]:8001"),
        ("[::1]:9", "[::1]:9"),
        # gRPC's own forms are left alone.
        ("dns:///localhost:9", "dns:///localhost:9"),
        ("dns:localhost", "dns:localhost"),
        ("ipv4:127.0.0.1:9,127.0.0.2:9", "ipv4:127.0.0.1:9,127.0.0.2:9"),
        ("ipv6:[::1]:9", "ipv6:[::1]:9"),
        ("unix:/run/plainserve.sock", "unix:/run/plainserve.sock"),
        ("unix:///run/plainserve.sock", "unix:///run/plainserve.sock"),
        ("unix-abstract:plainserve", "unix-abstract:plainserve"),
    ],
)
def test_an_address_without_a_port_means_ours(written, meant):
    assert target(written) == meant
    assert parser().parse_args(["health", "--server", written]).server == meant


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("", "names no host; write 'HOST:PORT', such as 'localhost:8001'"),
        (":8001", "names no host"),
        (" ", "names no host"),
        ("local host:1", "names no host"),
        ("localhost/", "names no host"),
        ("localhost\n:1", "names no host"),
        ("[localhost]:1", "names no host"),
        ("[::1", "names no host"),
        ("[::1]9", "names no host"),
        ("a:b:c", "no port from 1 to 65535; write 'a:8001', or the right port"),
        ("localhost:", "no port from 1 to 65535; write 'localhost:8001'"),
        ("localhost:0", "no port from 1 to 65535"),
        ("localhost:65536", "no port from 1 to 65535"),
        ("localhost:-1", "no port from 1 to 65535"),
        ("localhost:8001/", "no port from 1 to 65535"),
        ("localhost:" + "9" * 5000, "no port from 1 to 65535"),
        ("localhost:\u0661", "no port from 1 to 65535"),
        ("http://localhost:8001", "is not a gRPC address; write 'localhost:8001'"),
        ("https://localhost:8001/v2/models", "is not a gRPC address; write 'localhost:8001'"),
        ("grpcs://localhost", "is not a gRPC address; write 'localhost'"),
        ("http://", "is not a gRPC address; write 'HOST:8001'"),
    ],
)
def test_nonsense_is_refused_with_the_right_form(written, text, capsys):
    for client in (Client, AsyncClient):
        with pytest.raises(AddressError) as refused:
            client(written)
        assert text in str(refused.value)
    for command in (["health"], ["predict", "m", "--input", "x.npy"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, f"--server={written}"])
        assert ended.value.code == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "error: argument --server: " in line
        assert line.isprintable()
