"""What becomes of connections that wait to be accepted when the native front end stops listening."""

import asyncio
import socket
from contextlib import ExitStack

import http2
import pytest
from patience import PATIENCE

from serving.transport.limits import Limits

transports = pytest.importorskip("serving.transport.native.transport", exc_type=ImportError)

WAITING = 100
"""More than are accepted in one turn of the loop."""


def test_connections_that_wait_when_it_stops_listening_are_accepted():
    async def use(opened):
        transport = transports.NativeTransport(Limits(1 << 20))
        transport.serve({}, lambda *_: None)
        port = await transport.start("127.0.0.1", 0)
        # Nothing is accepted meanwhile: the event loop does not run.
        peers = [opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(WAITING)]
        for each in peers:
            each.sendall(http2.PREFACE + http2.Frame(http2.SETTINGS).encoded())
            each.setblocking(False)  # noqa: FBT003  positional
        transport.stop_listening()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                return [await loop.sock_recv(each, 1 << 16) for each in peers]
        finally:
            await transport.close()

    with ExitStack() as opened:
        answers = asyncio.run(use(opened))
    assert all(answers)
