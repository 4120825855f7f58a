"""The errors of a client.

ClientError
├── AddressError                the address is of a form that gRPC does not know (a ValueError as well)
├── InputError                  the arrays do not fit the model's metadata; nothing was sent
├── AnswerError                 the server's answer contradicts itself
└── ServerError                 the server refused the call or cannot be reached; has the gRPC code
    ├── InvalidArgumentError
    ├── NotFoundError
    ├── UnavailableError        not reachable, not ready, stopping
    ├── ResourceExhaustedError  too much at once; may say after how long to try again
    ├── DeadlineExceededError
    ├── CancelledError
    ├── UnimplementedError
    ├── UnauthenticatedError
    ├── PermissionDeniedError
    └── InternalError

A certificate or a token that cannot be used is a ValueError:
:class:`serving.endpoint.client_credentials.CredentialsError`.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import grpc

from serving.endpoint.connection_advice import advised

PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"
"""Trailing metadata in which a server says how long to wait; negative means do not try again (gRFC A6)."""


class ClientError(Exception):
    """Base of every error that a client raises."""


class AddressError(ClientError, ValueError):
    """The address is of a form that gRPC does not know."""


class InputError(ClientError):
    """The inputs do not fit the model's metadata; nothing was sent."""


class AnswerError(ClientError):
    """The server's answer contradicts itself, or holds something unknown."""


class ServerError(ClientError):
    """The server refused the call, or cannot be reached.

    Attributes:
        code: The status code.
        retry_after: Seconds after which the server asks to be tried again; None if it does not say,
            infinity if it asks not to be.
    """

    def __init__(self, code: grpc.StatusCode, details: str, retry_after: float | None = None) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details
        self.retry_after = retry_after


class InvalidArgumentError(ServerError):
    """The request contradicts the model, or itself."""


class NotFoundError(ServerError):
    """There is no such model, or no such version of it."""


class UnavailableError(ServerError):
    """The server cannot be reached, is not ready, or is stopping."""


class ResourceExhaustedError(ServerError):
    """Too many requests wait, or a message is too large."""


class DeadlineExceededError(ServerError):
    """The answer did not come in time."""


class CancelledError(ServerError):
    """The call was cancelled."""


class UnimplementedError(ServerError):
    """The server does not do this."""


class UnauthenticatedError(ServerError):
    """The server does not accept the credentials."""


class PermissionDeniedError(ServerError):
    """The credentials do not permit this."""


class InternalError(ServerError):
    """The server failed; its log says why."""


BY_CODE: Final[dict[grpc.StatusCode, type[ServerError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.INTERNAL: InternalError,
}
"""The class of each code; other codes are a :class:`ServerError`."""


def server_error(error: grpc.RpcError, *, encrypted: bool = False) -> ServerError:
    """Translate an error of grpc, from a blocking or an asynchronous call.

    Args:
        error: The error.
        encrypted: Whether the call went over TLS.
    """
    code, details = error.code(), advised(error.details() or "", encrypted=encrypted)
    return BY_CODE.get(code, ServerError)(code, details, retry_after(error.trailing_metadata()))


def retry_after(trailing: Iterable[Any] | None) -> float | None:
    """The server's hint in seconds, from pairs of key and value.

    Returns:
        None if it gives none; infinity if it says not to try again.
    """
    for key, value in trailing or ():
        if key == PUSHBACK_KEY:
            return int(value) / 1000 if value.isdigit() else math.inf
    return None
