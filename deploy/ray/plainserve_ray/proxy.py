"""What Ray's gRPC proxy is told to answer. Name :func:`add_services` in ``grpc_servicer_functions``.

Ray replaces the handlers that such a function registers by its own, which pick a replica and send it the request
object. Here the object is not a message but the request's bytes and the time its client still waits: the proxy
parses nothing, and messages of a private descriptor pool need not be pickled. What Ray's handlers tell the client
when the cluster fails is put into this server's words.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc_reflection.v1alpha import reflection_pb2

from plainserve_ray.methods import SERVICES, Routed, routed
from serving.services import reflection
from serving.services.error_to_status import INTERNAL_TEXT, PUSHBACK

Sent: TypeAlias = "tuple[bytes, float | None]"
"""A request's bytes, and for how many seconds its client still waits; None if for ever."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Unary: TypeAlias = Callable[[Any, Context], Awaitable[bytes]]
Stream: TypeAlias = Callable[[AsyncIterator[Any], Context], AsyncIterator[bytes]]

LOST = "the replica that had this request is gone or cannot be reached; the request may be sent again"
"""What a client reads where Ray would name actors, processes and addresses."""

FULL = "too many requests wait at this proxy for a replica; try again in a moment"
"""What a client reads when ``max_queued_requests`` is reached."""

RETRY_MS = "100"
"""How long a client is then asked to wait."""


class Services(grpc.GenericRpcHandler):
    """The handlers of all services.

    Attributes:
        _method_handlers: By full name. Ray reads this attribute and puts its own handlers in their place.
    """

    def __init__(self) -> None:
        self._method_handlers: dict[str, Any] = {
            f"/{each.service}/{each.name}": _placeholder(each) for each in routed()
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of one call: Ray's, between what goes in and what comes out."""
        found = self._method_handlers.get(handler_call_details.method)
        if found is None:
            return None
        if found.request_streaming:
            return grpc.stream_stream_rpc_method_handler(_stream(found.stream_stream))
        return grpc.unary_unary_rpc_method_handler(_unary(found.unary_unary))


def add_services(_servicer: object, server: Any) -> None:  # noqa: ANN401  Ray's server has no public type
    """Register every service, and reflection, with Ray's gRPC proxy.

    Args:
        _servicer: Ray's placeholder; replicas answer.
        server: Ray's server.
    """
    server.add_generic_rpc_handlers((Services(),))
    # Reflection needs no replica: the proxy answers it.
    for name in reflection.SERVICES:
        server.add_passthrough_service(name)
    names = [*(service.full_name for service in SERVICES), *reflection.SERVICES]
    methods = {"ServerReflectionInfo": _reflection(reflection.Reflection(names))}
    for name in reflection.SERVICES:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        server.add_registered_method_handlers(name, methods)


def _reflection(answers: reflection.Reflection) -> "grpc.RpcMethodHandler[Any, Any]":
    """The handler of reflection, under either of its names."""

    async def handle(requests: AsyncIterator[Any], _context: Context) -> AsyncIterator[Any]:
        async for response in answers.answer(requests):
            yield response

    return grpc.stream_stream_rpc_method_handler(
        handle,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )


def _placeholder(method: Routed) -> "grpc.RpcMethodHandler[Any, Any]":
    """A handler that knows what kind it is, and nothing to do."""
    if method.streams:
        return grpc.stream_stream_rpc_method_handler(_unset)
    return grpc.unary_unary_rpc_method_handler(_unset)


def _unset(*_: object) -> NoReturn:
    raise NotImplementedError("Ray has not put its handlers in place of these")


def _unary(send: Unary) -> Unary:
    async def handle(data: bytes, context: Context) -> bytes:
        answer = await send((data, context.time_remaining()), context)
        _reword(context)
        return answer

    return handle


def _stream(send: Stream) -> Stream:
    async def handle(data: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for answer in send(((each, context.time_remaining()) async for each in data), context):
            if answer:  # An empty one brings only the status.
                yield answer
        _reword(context)

    return handle


def _reword(context: Context) -> None:
    """Put what Ray says of its own faults into a code and words that a client can act on."""
    code, trailers = context.code(), tuple(context.trailing_metadata() or ())
    if code is grpc.StatusCode.INTERNAL and context.details() != INTERNAL_TEXT:
        context.set_code(grpc.StatusCode.UNAVAILABLE)
        context.set_details(LOST)
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and PUSHBACK not in dict(trailers):
        context.set_details(FULL)
        context.set_trailing_metadata((*trailers, (PUSHBACK, RETRY_MS)))
