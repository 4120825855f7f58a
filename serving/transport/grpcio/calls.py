"""Calls that grpcio carries, and the handlers that it runs for them."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeAlias

import grpc

from serving.transport.status_code import Status
from serving.transport.transport import Call, Method, Stream, Unary, UnaryMethod

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class _GrpcioCall(Call):
    """What both kinds of calls ask of grpcio's context.

    Args:
        context: The context.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        left = context.time_remaining()
        self.deadline = None if left is None else monotonic() + left
        self.status: Status | None = None

    @property
    def peer(self) -> str:
        """The client's end of the connection, as gRPC names it."""
        return self._context.peer()

    def on_end(self, ended: Callable[[], None]) -> None:
        """Have a function called once when the call is over."""
        self._context.add_done_callback(lambda _: ended())  # type: ignore[arg-type]  # it gets the context

    def refuse(self, status: Status) -> None:
        """Abort the call with a status once its handler returns."""
        self.status = status


class GrpcioUnary(_GrpcioCall, Unary):
    """A call with one request and one response.

    Attributes:
        response: What was answered.
        status: How the call was refused, if it was.
    """

    def __init__(self, message: bytes, context: Context) -> None:
        super().__init__(context)
        self.message = message
        self.response = b""

    def answer(self, message: bytes) -> None:
        """Send the response once the handler returns."""
        self.response = message


class GrpcioStream(_GrpcioCall, Stream):
    """A call with any number of requests and responses."""

    async def receive(self) -> bytes | None:
        """The next request; None when there are no more."""
        message: Any = await self._context.read()
        return None if message is grpc.aio.EOF else message

    async def send(self, message: bytes) -> None:
        """Send a response. Returns when gRPC's core has taken it."""
        await self._context.write(message)


def handler(method: Method) -> Handler:
    """What grpcio runs for calls of a method.

    Args:
        method: The method.
    """
    if isinstance(method, UnaryMethod):
        return grpc.unary_unary_rpc_method_handler(_unary(method.handle))
    handle = method.handle

    async def run(_requests: object, context: Context) -> None:
        call = GrpcioStream(context)
        await handle(call)
        if call.status is not None:
            await abort(context, call.status)

    return grpc.stream_stream_rpc_method_handler(run)


def _unary(handle: Callable[[Unary], Awaitable[None]]) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def run(message: bytes, context: Context) -> bytes:
        call = GrpcioUnary(message, context)
        # grpcio keeps the frame of a call that was aborted for a while, and with it what the frame names.
        message = b""
        await handle(call)
        if call.status is not None:
            status, call.message = call.status, b""
            await abort(context, status)
        return call.response

    return run


def refusing(refusal: Callable[[str], Status]) -> Handler:
    """What grpcio runs for a call that is not admitted: of any kind, it does not wait for a request.

    Args:
        refusal: Gives the status, told the peer.
    """

    async def run(_requests: object, context: Context) -> None:
        await abort(context, refusal(context.peer()))

    return grpc.stream_stream_rpc_method_handler(run)


async def abort(context: "grpc.aio.ServicerContext[Any, Any]", status: Status) -> None:
    """End a call with a status; raises grpcio's own exception."""
    await context.abort(_CODES[status.code], status.text, status.trailers)


_CODES = {code.value[0]: code for code in grpc.StatusCode}
