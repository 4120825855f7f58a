"""Methods of health and reflection: neither counted nor waited for. Their messages are read as all others are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from serving.flow_control.flow_control import FlowControl
from serving.services.error_to_status import described
from serving.services.message_parser import MessageParser
from serving.services.request_peek import RequestPeek
from serving.transport.transport import Call, Stream, StreamMethod, Unary, UnaryMethod


def uncounted_unary(
    method: Callable[[Any], Awaitable[Any]], request_type: type[Message], flow: FlowControl
) -> UnaryMethod:
    """A method with one request and one response.

    Args:
        method: Takes the request and gives the response.
        request_type: The message it takes.
        flow: Unpacks requests.
    """
    read = _reader(request_type, flow)

    async def handle(call: Unary) -> None:
        try:
            response = await method(await read(call.message, call))
            call.answer(response.SerializeToString())
        except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
            call.refuse(described(error))

    return UnaryMethod(handle)


def uncounted_stream(
    method: Callable[[AsyncIterator[Any]], AsyncIterator[Any]], request_type: type[Message], flow: FlowControl
) -> StreamMethod:
    """A method with any number of requests and responses.

    Args:
        method: Takes the requests and gives the responses.
        request_type: The message it takes.
        flow: Unpacks requests.
    """
    read = _reader(request_type, flow)

    async def handle(call: Stream) -> None:
        async def requests() -> AsyncIterator[Any]:
            while (data := await call.receive()) is not None:
                yield await read(data, call)

        try:
            async for response in method(requests()):
                await call.send(response.SerializeToString())
        except Exception as error:  # noqa: BLE001  likewise
            call.refuse(described(error))

    return StreamMethod(handle)


def _reader(request_type: type[Message], flow: FlowControl) -> Callable[[bytes, Call], Awaitable[Any]]:
    parse, peek = MessageParser(request_type).parse, RequestPeek(cast("Descriptor", request_type.DESCRIPTOR))

    async def read(data: bytes, call: Call) -> Any:  # noqa: ANN401  a message of the type
        return await parse(await flow.received(data, peek, partial(flow.requests.hold, call=call)))

    return read
