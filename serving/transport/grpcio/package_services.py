"""Lets services that packages of gRPC bring (health, reflection) read their requests the way ours do.

They would parse what came by themselves: as it is, uncounted.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import grpc

from serving.services.error_to_status import described
from serving.services.message_parser import Parser
from serving.services.method_handlers import Traffic
from serving.services.request_peek import FirstLook

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Guests:
    """Stands in the place of a server to which such services are added.

    Args:
        server: The server.
        traffic: Unpacks requests.
    """

    def __init__(self, server: grpc.aio.Server, traffic: Traffic) -> None:
        self._server = server
        self._traffic = traffic

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Pass them on. The same methods are registered too, and those are found first."""
        self._server.add_generic_rpc_handlers(tuple(handlers))

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Have the server answer these methods of a service."""
        guarded = {name: self._guarded(handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, guarded)

    def _guarded(self, handler: Handler) -> Handler:
        answer: Any = handler.unary_unary or handler.unary_stream or handler.stream_stream
        # The generated code has it so: the bound method of the class.
        request_type = handler.request_deserializer.__self__  # type: ignore[union-attr]
        parse, look = Parser(request_type).parse, FirstLook(request_type.DESCRIPTOR)

        async def read(data: bytes, context: Context) -> Any:  # noqa: ANN401  a message of the type
            try:
                hold = partial(self._traffic.requests.hold, context=context)
                return await parse(await self._traffic.received(data, look, hold))
            except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
                await context.abort(*described(error))

        async def one(data: bytes, context: Context) -> Any:  # noqa: ANN401  whatever the service answers
            return await answer(await read(data, context), context)

        async def many(data: bytes, context: Context) -> None:
            await answer(await read(data, context), context)

        async def each(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            messages = (await read(data, context) async for data in requests)
            async for response in answer(messages, context):
                yield response

        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(each, None, handler.response_serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(many, None, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(one, None, handler.response_serializer)
