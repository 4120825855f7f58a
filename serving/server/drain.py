"""The end of a server, in an order in which clients lose nothing.

methods refuse  ->  nobody is let in  ->  what is under way is answered  ->  connections part  ->  grpcio ends
"""

import asyncio
from contextlib import suppress

import grpc

from serving.server.signals import Signals
from serving.services.method_handlers import Traffic
from serving.transport.grpcio import listening_sockets
from serving.transport.grpcio.methods import Methods

LAST_MOMENT = 1.0
"""Most seconds that clients have to notice that the server is leaving, and handlers that their calls have ended."""

GLANCE = 0.02
"""Seconds between two looks whether clients have noticed."""


async def drain(
    server: grpc.aio.Server, port: int, methods: Methods, traffic: Traffic, signals: Signals, seconds: float
) -> bool:
    """Refuse new calls and wait for those that ask for work, not for idle streams; then end them all.

    Args:
        server: What holds the port.
        port: The port.
        methods: What answers its calls.
        traffic: The calls under way.
        signals: What the process is told meanwhile.
        seconds: Most time for answering.

    Returns:
        Whether all were answered.
    """
    methods.close()
    listening_sockets.stop_listening(port)
    traffic.close()
    idle = asyncio.create_task(traffic.idle())
    now = asyncio.create_task(signals.now.wait())
    await asyncio.wait((idle, now), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    answered = idle.done() or not traffic.under_way
    idle.cancel()
    now.cancel()
    if answered:
        await methods.quiet()
        await _part(port)
    await server.stop(None)
    with suppress(TimeoutError):
        # grpcio does not wait for the handlers of the calls that it ended.
        await asyncio.wait_for(traffic.idle(), LAST_MOMENT)
    return answered


async def _part(port: int) -> None:
    """Wait until those who are connected have seen that nothing more comes, or do not want to see it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_MOMENT):
            while listening_sockets.say_goodbye(port):  # noqa: ASYNC110  only the system knows, and does not tell
                await asyncio.sleep(GLANCE)
