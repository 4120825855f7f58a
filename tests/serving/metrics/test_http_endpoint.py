import asyncio

import pytest
from patience import PATIENCE

from serving.errors import AddressError
from serving.metrics import http_endpoint
from serving.metrics.http_endpoint import MetricsServer


def exchange(*requests):
    """Send each on a connection of its own; give what came back."""

    async def run():
        async def up():
            return "up 1\n"

        server = MetricsServer(up)
        port = await server.start("127.0.0.1", 0)
        answers = []
        try:
            for request in requests:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                answers.append(await asyncio.wait_for(reader.read(), PATIENCE))
                writer.close()
                await writer.wait_closed()
        finally:
            server.close()
        return answers

    return asyncio.run(run())


def test_metrics_are_answered_whole_and_the_connection_ends():
    (answer,) = exchange(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 5\r\n" in head
    assert b"Connection: close" in head
    assert body == b"up 1\n"


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics?x=1 HTTP/1.1", b"200 OK"),
        (b"GET / HTTP/1.1", b"404 Not Found"),
        (b"GET /metricsx HTTP/1.1", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed"),
        (b"nonsense", b"405 Method Not Allowed"),
    ],
)
def test_nothing_else_is_there(request_line, status):
    (answer,) = exchange(request_line + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_head_has_no_body():
    (answer,) = exchange(b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5" in answer


def test_a_request_without_end_is_dropped_and_the_next_is_answered(monkeypatch):
    monkeypatch.setattr(http_endpoint, "PATIENCE", 1.0)
    endless, slow, good = exchange(
        b"GET /" + b"a" * 100_000, b"GET /metrics", b"GET /metrics HTTP/1.0\r\n\r\n"
    )
    assert (endless, slow) == (b"", b"")
    assert good.endswith(b"up 1\n")


def test_a_port_that_is_taken_is_named():
    async def twice():
        first = MetricsServer(str)
        port = await first.start("127.0.0.1", 0)
        try:
            with pytest.raises(AddressError, match=f"127.0.0.1:{port} for metrics.*--metrics-port, or off"):
                await MetricsServer(str).start("127.0.0.1", port)
        finally:
            first.close()

    asyncio.run(twice())
