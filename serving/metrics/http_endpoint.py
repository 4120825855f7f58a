"""Serves ``GET /metrics`` over HTTP/1.1, one request for each connection, and nothing else."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from serving.errors import AddressError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PATIENCE = 10.0
"""Most seconds that a client may take to send its request."""

MOST = 16 << 10
"""Most bytes of a request, including its headers."""


class MetricsServer:
    """The HTTP server for metrics.

    Args:
        exposition: Returns the current metrics.
    """

    def __init__(self, exposition: Callable[[], Awaitable[str]]) -> None:
        self._exposition = exposition
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Returns:
            The port, which is chosen if ``port`` is 0.

        Raises:
            AddressError: It cannot be listened on.
        """
        try:
            self._server = await asyncio.start_server(self._answer, host, port, limit=MOST)
        except OSError as error:
            # asyncio replaces the system's text by its own, which repeats the address.
            known = error.errno in errno.errorcode  # not if a host name does not resolve
            reason = os.strerror(error.errno or 0) if known else error.strerror
            text = f"cannot listen on {host}:{port} for metrics: {reason}"
            raise AddressError(f"{text}; choose another with --metrics-port, or off") from error
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = await self._respond(head.partition(b"\r\n")[0])
                writer.write(_headers(status, len(body)) + (b"" if head.startswith(b"HEAD ") else body))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            # This client does not wait for an answer.
            return
        finally:
            writer.close()

    async def _respond(self, line: bytes) -> tuple[HTTPStatus, bytes]:
        method, _, rest = line.partition(b" ")
        if method not in {b"GET", b"HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n"
        if rest.partition(b" ")[0].partition(b"?")[0] != b"/metrics":
            return HTTPStatus.NOT_FOUND, b"there is only /metrics\n"
        return HTTPStatus.OK, (await self._exposition()).encode()


def _headers(status: HTTPStatus, length: int) -> bytes:
    kind = CONTENT_TYPE if status is HTTPStatus.OK else "text/plain"
    allow = "Allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        f"{allow}Connection: close\r\n\r\n"
    ).encode()
