"""From a method that takes messages and returns them to a handler that gRPC can call.

Bytes come in and go out: a message that cannot be parsed is then the client's fault and is told so, where
grpcio's own parsing would answer INTERNAL.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any

import grpc
from google.protobuf.message import Message

from serving.metrics.calls import CallCounts
from serving.rpc.status import described

Method = Callable[[Any, "float | None"], Awaitable[Message]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); gives the answer."""

StreamMethod = Callable[[AsyncIterator[Any], "float | None"], AsyncIterator[Message]]
"""Likewise, for any number of requests and answers."""


class Traffic:
    """Counts the calls under way, so that stopping can wait for them and for nothing else.

    Attributes:
        counts: Of all calls so far.
    """

    def __init__(self) -> None:
        self.counts = CallCounts()
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
    method: Method, request_type: type[Message], traffic: Traffic, name: str = ""
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler for a method that takes one message and returns one.

    Args:
        method: The method. Errors of :mod:`serving.errors` become their status; any other is INTERNAL.
        request_type: The message it takes.
        traffic: Told of each call.
        name: The method's name as metrics call it, ``/service/method``; empty to leave it out of them.
    """
    parse, counts = request_type.FromString, traffic.counts

    async def handle(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        start, code = monotonic(), "CANCELLED"
        counts.started[name] += 1
        with traffic:
            try:
                remaining = context.time_remaining()
                deadline = None if remaining is None else start + remaining
                answer = (await method(parse(data), deadline)).SerializeToString()
                code = "OK"
            except Exception as error:
                status = described(error)
                code = status[0].name
                await context.abort(*status)
                raise
            else:
                return answer
            finally:
                counts.ended(name, code, monotonic() - start)

    return grpc.unary_unary_rpc_method_handler(handle)


def stream(
    method: StreamMethod, request_type: type[Message], traffic: Traffic, name: str
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler for a method that takes any number of messages and returns any number.

    Args:
        method: The method, as for :func:`unary`.
        request_type: The message it takes.
        traffic: Told while a request is being answered; between requests a stream is idle.
        name: The method's name as metrics call it.
    """
    parse, counts = request_type.FromString, traffic.counts

    async def handle(
        data: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> AsyncIterator[bytes]:
        start, code = monotonic(), "CANCELLED"
        counts.started[name] += 1
        remaining = context.time_remaining()
        deadline = None if remaining is None else start + remaining
        try:
            async for answer in method((parse(each) async for each in data), deadline):
                yield answer.SerializeToString()
            code = "OK"
        except Exception as error:
            status = described(error)
            code = status[0].name
            await context.abort(*status)
            raise
        finally:
            counts.ended(name, code, monotonic() - start)

    return grpc.stream_stream_rpc_method_handler(handle)
