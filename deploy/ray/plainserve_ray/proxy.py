"""Registers the services with Ray's gRPC proxy. Name :func:`add_services` in ``grpc_servicer_functions``.

Ray replaces the handlers that such a function registers by its own, which pick a replica and send it the request
object. Here the object is not a message but the bytes of the request and its remaining time: the proxy parses
nothing, and messages of a private descriptor pool need not be pickled. The errors of Ray's handlers when the cluster
fails are replaced by those of this server.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc

from plainserve_ray.methods import SERVICES, Routed, routed
from serving.services import reflection
from serving.services.error_to_status import INTERNAL_TEXT, PUSHBACK

Sent: TypeAlias = "tuple[bytes, float | None]"
"""The bytes of a request, and its remaining time in seconds; None without a deadline."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Unary: TypeAlias = Callable[[Any, Context], Awaitable[bytes]]
Stream: TypeAlias = Callable[[AsyncIterator[Any], Context], AsyncIterator[bytes]]

LOST = "the replica that had this request is gone or cannot be reached; the request may be sent again"
"""The error text that replaces texts of Ray with names of actors, processes and addresses."""

FULL = "too many requests wait at this proxy for a replica; try again in a moment"
"""The error text when ``max_queued_requests`` is reached."""

RETRY_MS = "100"
"""Milliseconds after which the client should then try again."""


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
        """The handler of one call: Ray's handler, with its input and its errors translated."""
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
    reflection.add(server, [*(service.full_name for service in SERVICES), *reflection.SERVICES])


def _placeholder(method: Routed) -> "grpc.RpcMethodHandler[Any, Any]":
    """A handler of the right kind that does nothing."""
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
    """Replace an error of Ray itself by a code and a text that a client can act on."""
    code, trailers = context.code(), tuple(context.trailing_metadata() or ())
    if code is grpc.StatusCode.INTERNAL and context.details() != INTERNAL_TEXT:
        context.set_code(grpc.StatusCode.UNAVAILABLE)
        context.set_details(LOST)
    elif code is grpc.StatusCode.RESOURCE_EXHAUSTED and PUSHBACK not in dict(trailers):
        context.set_details(FULL)
        context.set_trailing_metadata((*trailers, (PUSHBACK, RETRY_MS)))
