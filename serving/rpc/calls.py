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
from serving.rpc.held import LARGE, Held
from serving.rpc.status import described
from serving.rpc.under_way import UnderWay

Method = Callable[[Any, "float | None"], Awaitable[Message]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); gives the answer."""

StreamMethod = Callable[[AsyncIterator[Any], "float | None"], AsyncIterator[Message]]
"""Likewise, for any number of requests and answers."""


SETTLED = 0.02
"""Seconds without a call after which none is thought to be on its way from grpcio's core to its handler, or back."""


class Traffic:
    """Counts the requests under way, so that stopping can wait for them and for nothing else.

    Attributes:
        counts: Of all calls so far.
        closed: Whether streams are to take no more requests.
        requests: The bytes of large requests that are being answered.
        answers: The bytes of large answers that clients have yet to take.

    Args:
        message_size: Most bytes of a request. Four times as many may be held of the requests, and of the answers,
            of one connection, and sixteen times as many in all.
    """

    def __init__(self, message_size: int) -> None:
        most, most_each = 16 * message_size, 4 * message_size
        self.requests = Held(most, most_each, "requests that are being answered")
        self.answers = Held(most, most_each, "answers that were not read yet")
        self.counts = CallCounts()
        self.closed = False
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        """A request has come."""
        self._count += 1
        self._idle.clear()

    def end(self, *_: object) -> None:
        """It has its answer, or will have none."""
        self._count -= 1
        if not self._count:
            self._idle.set()

    # For ``with``; other names of the same, since each call costs every request.
    __enter__, __exit__ = begin, end

    def hand_over(self, size: int, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        """A large answer is to go to its client, which may take its time.

        Raises:
            QueueFullError: Too many do.
        """
        self.answers.hold(size, context)
        self.begin()
        context.add_done_callback(lambda _: self.end())  # type: ignore[arg-type]

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._count > 0

    def close(self) -> None:
        """Let streams take no more requests. grpcio refuses new calls by itself."""
        self.closed = True

    async def idle(self) -> None:
        """Wait until no request is under way, and none follows."""
        while self.busy or not await self._settled():
            await self._idle.wait()

    async def _settled(self) -> bool:
        await asyncio.sleep(SETTLED)
        return not self.busy


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
                if len(data) > LARGE:
                    traffic.requests.hold(len(data), context)
                answer = (await method(parse(data), deadline)).SerializeToString()
                if len(answer) > LARGE:
                    traffic.hand_over(len(answer), context)
                code = "OK"
            except Exception as error:
                status = described(error)
                code = status[0].name
                # What grpcio makes of an error lives on for a while, and with it all that its frames hold.
                error.__traceback__ = None
                data = answer = b""
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
        under_way = UnderWay(traffic)
        try:
            async for answer in method((parse(each) async for each in under_way.requests(data)), deadline):
                yield under_way.answering(answer.SerializeToString())
                under_way.answered()
            under_way.check_complete()
            code = "OK"
        except Exception as error:
            status = described(error)
            code = status[0].name
            await context.abort(*status)
            raise
        finally:
            under_way.end()
            counts.ended(name, code, monotonic() - start)

    return grpc.stream_stream_rpc_method_handler(handle)
