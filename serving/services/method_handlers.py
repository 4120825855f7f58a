"""From a method that takes messages and returns them to a handler that gRPC can call.

Bytes come in and go out: a message that cannot be parsed is then the client's fault and is told so, where
grpcio's own parsing would answer INTERNAL.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

import grpc
from google.protobuf.message import Message

from serving.errors import ServingError
from serving.flow_control.byte_budget import CALL, LARGE, Held
from serving.flow_control.decompression import Unpacker, compressed
from serving.flow_control.memory_pressure import MemoryWatch
from serving.flow_control.stream_window import LoadsInProgress
from serving.metrics.call_counts import CallCounts
from serving.services.error_to_status import described
from serving.services.message_parser import Parser
from serving.services.request_peek import FirstLook

WireMethod = Callable[[bytes, "float | None"], Awaitable[bytes]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); gives the answer."""

Method = Callable[[Any, "float | None"], Awaitable[Message]]
"""Likewise, with messages."""

StreamMethod = Callable[[AsyncIterator[Any], "float | None"], AsyncIterator[Message]]
"""Likewise, for any number of requests and as many answers. A request that is refused comes as its ServingError."""

Context = grpc.aio.ServicerContext[bytes, bytes]

SETTLED = 0.02
"""Seconds without a call after which none is thought to be on its way from grpcio's core to its handler, or back."""


class Traffic:
    """Counts the requests under way, so that stopping can wait for them and for nothing else.

    Attributes:
        counts: Of all calls so far.
        closed: Whether streams are to take no more requests.
        requests: The bytes of large requests that are being answered.
        answers: The bytes of large answers that clients have yet to take.
        memory: Knows whether there is room for a large request.
        under_way: Requests that have no answer yet.

    Args:
        message_size: Most bytes of a request. Four times as many may be held of the requests, and of the answers,
            of one connection, and sixteen times as many in all.
    """

    def __init__(self, message_size: int) -> None:
        most, most_each = 16 * message_size, 4 * message_size
        self.requests = Held(most, most_each, "requests that are being answered")
        self.answers = Held(most, most_each, "answers that were not read yet")
        self.memory = MemoryWatch(lambda: not (self.requests.total or self.answers.total))
        self.counts = CallCounts()
        self.closed = False
        self.under_way = 0
        self._unpacker = Unpacker(message_size)

    async def received(self, data: bytes, look: FirstLook, hold: Callable[[int], None]) -> bytes:
        """A large or compressed request as its client wrote it.

        Args:
            data: What came.
            look: Looks at how it begins.
            hold: Told of its bytes if they are many: as it came, and once it is unpacked.

        Raises:
            ServingError: It cannot be unpacked or is too large, there is no room for it, or ``look`` or ``hold``
                refuses it.
        """
        self._make_room(len(data), hold)
        if not compressed(data):
            look.model(data)
            return data
        data = await self._unpacker.unpack(data, look.head)
        self._make_room(len(data), hold)
        return data

    def _make_room(self, size: int, hold: Callable[[int], None]) -> None:
        if size > LARGE:
            self.memory.check(size)
            hold(size)

    def hand_over(self, size: int, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        """A large answer is to go to its client, which may take its time.

        Raises:
            QueueFullError: Too many do.
        """
        self.answers.hold(size, context)
        self.under_way += 1
        context.add_done_callback(self._taken)  # type: ignore[arg-type]

    def _taken(self, _: object) -> None:
        self.under_way -= 1

    def close(self) -> None:
        """Let streams take no more requests. grpcio refuses new calls by itself."""
        self.closed = True

    async def idle(self) -> None:
        """Wait until no request is under way, and none follows."""
        quiet = False
        while self.under_way or not quiet:
            # Looked at now and then: an event would be set and cleared for each request.
            quiet = not self.under_way
            await asyncio.sleep(SETTLED)


def of_messages(method: Method, request_type: type[Message]) -> WireMethod:
    """A method that takes and gives bytes, from one that takes and gives messages.

    Args:
        method: The method.
        request_type: The message it takes.
    """
    parse = Parser(request_type).parse

    async def answer(data: bytes, deadline: float | None) -> bytes:
        return (await method(await parse(data), deadline)).SerializeToString()

    return answer


def unary(
    method: WireMethod, traffic: Traffic, name: str, look: FirstLook
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler for a method that takes one message and returns one.

    Args:
        method: The method. Errors of :mod:`serving.errors` become their status; any other is INTERNAL.
        traffic: Told of each call.
        name: The method's name as metrics call it, ``/service/method``.
        look: Looks at how large requests begin.
    """
    calls = traffic.counts.of(name)

    async def handle(data: bytes, context: Context) -> bytes:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        traffic.under_way += 1
        CALL.set(context)
        try:
            left = context.time_remaining()
            if len(data) > LARGE or compressed(data):
                data = await traffic.received(data, look, partial(traffic.requests.hold, context=context))
            answer = await method(data, None if left is None else start + left)
            if len(answer) > LARGE:
                traffic.hand_over(len(answer), context)
            code = "OK"
        except Exception as error:
            status = described(error)
            code = status[0].name
            _forget(error)
            data = answer = b""
            await context.abort(*status)
            raise
        else:
            return answer
        finally:
            calls.end(code, monotonic() - start)
            traffic.under_way -= 1

    return grpc.unary_unary_rpc_method_handler(handle)


def stream(
    method: StreamMethod, request_type: type[Message], traffic: Traffic, name: str, look: FirstLook
) -> "grpc.RpcMethodHandler[bytes, bytes]":
    """A handler for a method that takes any number of messages and returns any number.

    Args:
        method: The method, as for :func:`unary`.
        request_type: The message it takes.
        traffic: Told while a request is being answered; between requests a stream is idle.
        name: The method's name as metrics call it.
        look: As for :func:`unary`.
    """
    parse, calls = Parser(request_type).parse, traffic.counts.of(name)

    async def messages(data: AsyncIterator[bytes], under_way: LoadsInProgress) -> AsyncIterator[Any]:
        async for each in under_way.requests(data):
            try:
                if len(each) > LARGE or compressed(each):
                    each = await traffic.received(each, look, under_way.hold)  # noqa: PLW2901  the same, unpacked
                message = await parse(each)
            except ServingError as error:
                # Of this request, and not of the stream.
                _forget(error)
                yield error
            else:
                yield message

    async def handle(data: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        CALL.set(context)
        left = context.time_remaining()
        deadline = None if left is None else start + left
        under_way = LoadsInProgress(traffic, context.peer())
        try:
            async for answer in method(messages(data, under_way), deadline):
                yield under_way.answering(answer.SerializeToString())
                under_way.answered()
            under_way.check_complete()
            code = "OK"
        except Exception as error:
            status = described(error)
            code = status[0].name
            _forget(error)
            await context.abort(*status)
            raise
        finally:
            under_way.end()
            calls.end(code, monotonic() - start)

    return grpc.stream_stream_rpc_method_handler(handle)


def _forget(error: Exception) -> None:
    """Let go of all that an error's frames hold: what grpcio makes of it lives on for a while."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
