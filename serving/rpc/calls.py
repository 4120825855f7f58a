"""From a method that takes a message and returns one to a handler that gRPC can call.

Bytes come in and go out: a message that cannot be parsed is then the client's fault and is told so, where
grpcio's own parsing would answer INTERNAL.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import grpc
from google.protobuf.message import Message

from serving.rpc.status import described

Method = Callable[[Any, "float | None"], Awaitable[Message]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); gives the answer."""


class Traffic:
    """Counts the calls under way, so that stopping can wait for them and for nothing else."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()


def unary(
    method: Method, request_type: type[Message], traffic: Traffic
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler for a method that takes one message and returns one.

    Args:
        method: The method. Errors of :mod:`serving.errors` become their status; any other is INTERNAL.
        request_type: The message it takes.
        traffic: Told of each call.
    """
    parse = request_type.FromString

    async def handle(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        with traffic:
            try:
                remaining = context.time_remaining()
                deadline = None if remaining is None else monotonic() + remaining
                return (await method(parse(data), deadline)).SerializeToString()
            except Exception as error:
                await context.abort(*described(error))
                raise

    return grpc.unary_unary_rpc_method_handler(handle)
