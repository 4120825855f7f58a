"""Turns methods that take and return messages into methods that a transport can call.

Messages are parsed here and not by the transport, so that the client gets INVALID_ARGUMENT for a malformed one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

from google.protobuf.message import Message

from serving.errors import ServingError
from serving.flow_control.byte_budget import CURRENT_CALL, LARGE
from serving.flow_control.decompression import compressed
from serving.flow_control.flow_control import FlowControl, Peek
from serving.flow_control.stream_window import StreamWindow
from serving.services.error_to_status import status_of
from serving.services.message_parser import MessageParser
from serving.transport.transport import BatchMethod, Stream, StreamMethod, Unary, UnaryMethod

BytesMethod = Callable[[bytes, "float | None"], Awaitable[bytes]]
"""Takes a request and its deadline on the clock of :func:`time.monotonic` (None: never); returns the response."""

MessageMethod = Callable[[Any, "float | None"], Awaitable[Message]]
"""The same, with messages in place of bytes."""

MessageStream = Callable[[AsyncIterator[Any], "float | None"], AsyncIterator[Message]]
"""The same, for a stream: one response for each request. A refused request is passed on as its ServingError."""


def from_message_method(method: MessageMethod, request_type: type[Message]) -> BytesMethod:
    """Make a method that takes and returns bytes of one that takes and returns messages.

    Args:
        method: The method.
        request_type: The message that it takes.
    """
    parse = MessageParser(request_type).parse

    async def answer(data: bytes, deadline: float | None) -> bytes:
        return (await method(await parse(data), deadline)).SerializeToString()

    return answer


def unary(
    method: BytesMethod,
    flow: FlowControl,
    name: str,
    peek: Peek,
    batches: BatchMethod | None = None,
    *,
    eager: bool = False,
) -> UnaryMethod:
    """A method with one request and one response.

    Args:
        method: The method. Errors of :mod:`serving.errors` become their status; any other is INTERNAL.
        flow: Counts each call, and limits its bytes.
        name: The method's name in metrics, ``/service/method``.
        peek: Looks at the beginning of large requests.
        batches: Answers several calls at once.
        eager: Whether calls may begin outside of a task; see :class:`~serving.transport.transport.UnaryMethod`.
    """
    calls = flow.counts.of(name)

    async def handle(call: Unary) -> None:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        flow.in_flight += 1
        CURRENT_CALL.set(call)
        try:
            data = call.message
            if len(data) > LARGE or compressed(data):
                data = await flow.unpack(data, peek, partial(flow.requests.hold, call=call))
            answer = await method(data, call.deadline)
            if len(answer) > LARGE:
                flow.track_answer(len(answer), call)
            call.answer(answer)
            code = "OK"
        except Exception as error:  # noqa: BLE001  error_to_status decides what the client may see
            status = status_of(error)
            code = status.code.name
            _release_frames(error)
            call.refuse(status)
        finally:
            calls.end(code, monotonic() - start)
            flow.in_flight -= 1

    return UnaryMethod(handle, batches, eager)


def stream(
    method: MessageStream, request_type: type[Message], flow: FlowControl, name: str, peek: Peek
) -> StreamMethod:
    """A method with any number of requests and as many responses.

    Args:
        method: The method, as for :func:`unary`.
        request_type: The message that it takes.
        flow: Counts the requests in flight; between requests a stream is idle.
        name: The method's name in metrics.
        peek: As for :func:`unary`.
    """
    parser, calls = MessageParser(request_type), flow.counts.of(name)

    async def handle(call: Stream) -> None:
        start, code = monotonic(), "CANCELLED"
        calls.started += 1
        CURRENT_CALL.set(call)
        window = StreamWindow(call, flow)
        try:
            async for answer in method(_messages(window, parser, flow, peek), call.deadline):
                await window.answer(answer.SerializeToString())
            window.check_complete()
            code = "OK"
        except Exception as error:  # noqa: BLE001  error_to_status decides what the client may see
            status = status_of(error)
            code = status.code.name
            _release_frames(error)
            call.refuse(status)
        finally:
            window.end()
            calls.end(code, monotonic() - start)

    return StreamMethod(handle)


async def _messages(
    window: StreamWindow, parser: MessageParser, flow: FlowControl, peek: Peek
) -> AsyncIterator[Any]:
    """The requests of a stream, parsed. One that is refused is passed on as its error, and the stream goes on."""
    async for data in window.requests():
        try:
            if len(data) > LARGE or compressed(data):
                data = await flow.unpack(data, peek, window.hold)  # noqa: PLW2901  the same, decompressed
            message = await parser.parse(data)
        except ServingError as error:
            _release_frames(error)
            yield error
        else:
            yield message


def _release_frames(error: Exception) -> None:
    """Drop the references that an error's traceback holds: the transport keeps the error for a while."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
