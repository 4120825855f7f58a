"""Every method of our services, by its path; and the end of them all.

grpcio's own shutdown tells calls that arrive meanwhile CANCELLED, which no client takes for a reason to ask another
server. So the methods refuse with UNAVAILABLE first, and grpcio is shut down when nobody asks any more.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc

from serving.errors import StoppingError
from serving.services.error_to_status import described

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

QUIET = 0.02
"""Seconds without a refusal after which nobody is thought to ask."""

QUIET_AGAIN = 0.2
"""Likewise where somebody did: others may have heard of nothing yet."""

PATIENCE = 1.0
"""Most seconds to wait for that: some clients never learn."""


class Methods(grpc.GenericRpcHandler):
    """Leads each call to its handler.

    Args:
        handlers: The handlers by path, ``/service/method``.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)
        self._refused = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a call; None if there is no such method."""
        return self._handlers.get(handler_call_details.method)

    def close(self) -> None:
        """Refuse new calls from now on; those under way go on."""
        for path, handler in self._handlers.items():
            self._handlers[path] = (
                grpc.stream_stream_rpc_method_handler(self._refuse)
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler(self._refuse)
            )

    async def quiet(self) -> None:
        """Wait until nobody asks any more, or does not stop asking."""
        until, before = asyncio.get_running_loop().time() + PATIENCE, -1
        while self._refused != before and asyncio.get_running_loop().time() < until:
            before = self._refused
            await asyncio.sleep(QUIET_AGAIN if before else QUIET)

    async def _refuse(self, _data: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        self._refused += 1
        await context.abort(*described(StoppingError("the server is stopping; ask another, or later")))
