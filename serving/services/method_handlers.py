"""Turns a method that takes messages and returns them into one that a transport can call.

Messages are parsed here and not by the transport: a message that cannot be parsed is the client's fault, and the
client is told so.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

from google.protobuf.message import Message

from serving.errors import ServingError
from serving.flow_control.byte_budget import CALL, LARGE
from serving.flow_control.decompression import compressed
from serving.flow_control.flow_control import FlowControl, Peek
from serving.flow_control.stream_window import StreamWindow
from serving.services.error_to_status import described
from serving.services.message_parser import MessageParser
from serving.transport.transport import Stream, StreamMethod, Unary, UnaryMethod

BytesMethod = Callable[[bytes, "float | None"], Awaitable[bytes]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); gives the answer."""

MessageMethod = Callable[[Any, "float | None"], Awaitable[Message]]
"""Likewise, with messages."""

MessageStream = Callable[[AsyncIterator[Any], "float | None"], AsyncIterator[Message]]
"""Likewise, for any number of requests and as many answers. A request that is refused comes as its ServingError."""


def of_messages(method: MessageMethod, request_type: type[Message]) -> BytesMethod:
    """A method that takes and gives bytes, from one that takes and gives messages.

    Args:
        method: The method.
        request_type: The message it takes.
    """
    parse = MessageParser(request_type).parse

    async def answer(data: bytes, deadline: float | None) -> bytes:
        return (await method(await parse(data), deadline)).SerializeToString()

    return answer


def unary(method: BytesMethod, flow: FlowControl, name: str, peek: Peek) -> UnaryMethod:
    """A method with one request and one response.

    Args:
        method: The method. Errors of :mod:`serving.errors` become their status; any other is INTERNAL.
        flow: Told of each call.
        name: The method's name as metrics call it, ``/service/method``.
        peek: Looks at how large requests begin.
    """
    calls = flow.counts.of(name)

    async def handle(call: Unary) -> None:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        flow.in_flight += 1
        CALL.set(call)
        try:
            data = call.message
            if len(data) > LARGE or compressed(data):
                data = await flow.received(data, peek, partial(flow.requests.hold, call=call))
            answer = await method(data, call.deadline)
            if len(answer) > LARGE:
                flow.hand_over(len(answer), call)
            call.answer(answer)
            code = "OK"
        except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
            status = described(error)
            code = status.code.name
            _forget(error)
            call.refuse(status)
        finally:
            calls.end(code, monotonic() - start)
            flow.in_flight -= 1

    return UnaryMethod(handle)


def stream(
    method: MessageStream, request_type: type[Message], flow: FlowControl, name: str, peek: Peek
) -> StreamMethod:
    """A method with any number of requests and as many responses.

    Args:
        method: The method, as for :func:`unary`.
        request_type: The message it takes.
        flow: Told while a request is being answered; between requests a stream is idle.
        name: The method's name as metrics call it.
        peek: As for :func:`unary`.
    """
    parse, calls = MessageParser(request_type).parse, flow.counts.of(name)

    async def messages(window: StreamWindow) -> AsyncIterator[Any]:
        async for data in window.requests():
            try:
                if len(data) > LARGE or compressed(data):
                    data = await flow.received(data, peek, window.hold)  # noqa: PLW2901  the same, unpacked
                message = await parse(data)
            except ServingError as error:
                # Of this request, and not of the stream.
                _forget(error)
                yield error
            else:
                yield message

    async def handle(call: Stream) -> None:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        CALL.set(call)
        window = StreamWindow(call, flow)
        try:
            async for answer in method(messages(window), call.deadline):
                await window.answer(answer.SerializeToString())
            window.check_complete()
            code = "OK"
        except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
            status = described(error)
            code = status.code.name
            _forget(error)
            call.refuse(status)
        finally:
            window.end()
            calls.end(code, monotonic() - start)

    return StreamMethod(handle)


def _forget(error: Exception) -> None:
    """Let go of all that an error's frames hold: what the transport makes of it lives on for a while."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
