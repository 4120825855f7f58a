"""Lets a call in, or turns it away before any of its request is read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc

from serving.access.denial_log import RefusalLog
from serving.access.rights import NEEDED, Right, needed
from serving.access.token_file import Tokens
from serving.errors import PermissionDeniedError, ServingError, UnauthenticatedError
from serving.metrics.call_counts import CallCounts
from serving.services.error_to_status import described

HEADER = "authorization"

_SEND = "send the header 'authorization: Bearer TOKEN'"

Request = TypeVar("Request")
Response = TypeVar("Response")
Handler: TypeAlias = "grpc.RpcMethodHandler[Request, Response]"


class TokenCheck(grpc.aio.ServerInterceptor):
    """Stands before every method of every service.

    Args:
        tokens: Who may do what.
        counts: Told of the calls that are turned away.
    """

    def __init__(self, tokens: Tokens, counts: CallCounts) -> None:
        self._tokens = tokens
        self._counts = counts
        self._log = RefusalLog()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler[Request, Response] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler[Request, Response] | None":
        """The method's own handler, or one that refuses."""
        method = handler_call_details.method
        try:
            self.check(method, handler_call_details.invocation_metadata)
        except ServingError as error:
            return self._refusal(method, error)
        return await continuation(handler_call_details)

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Whether a call may be answered.

        Args:
            method: ``/service/method``.
            metadata: What came with it.

        Raises:
            UnauthenticatedError: It needs a token, and brings none, or one that is unknown.
            PermissionDeniedError: Its token does not have the right.
        """
        right = needed(method)
        if right is Right.NONE:
            return
        held = self._tokens.right(_token(metadata))
        if held is Right.NONE:
            raise UnauthenticatedError(f"the server does not know this token; {_SEND} with one that it knows")
        if held < right:
            raise PermissionDeniedError(
                f"{method.rpartition('/')[2]} needs a token with the right '{right.name.lower()}', and this one has "
                f"'{held.name.lower()}'; ask whoever runs the server for such a token"
            )

    def _refusal(self, method: str, error: ServingError) -> "Handler[Any, Any]":
        status = described(error)
        # A name that a stranger made up is no name for metrics.
        name = method if method in NEEDED else ""
        counts = self._counts.of(name)

        async def refuse(
            _requests: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
        ) -> NoReturn:
            counts.started += 1
            counts.end(status[0].name, 0.0)
            self._log.note(context.peer(), name, error)
            await context.abort(*status)

        # Of any method: a handler of streams does not wait for the request.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The one token of a call.

    Raises:
        UnauthenticatedError: There is none, or not one only.
    """
    values = [value for key, value in metadata if key == HEADER]
    if not values:
        raise UnauthenticatedError(f"this server asks for a token; {_SEND}")
    scheme, _, token = values[0].partition(" ") if isinstance(values[0], str) else ("", "", "")
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError(f"the header 'authorization' must be one, and hold a token; {_SEND}")
    return token
