"""The one table from errors to gRPC status codes, and how an error is told to a client."""

import logging
import math

import grpc
from google.protobuf.message import DecodeError

from serving import errors
from serving.services.error_text import presentable

log = logging.getLogger(__name__)

STATUS: dict[type[errors.ServingError], grpc.StatusCode] = {
    errors.InvalidInputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ModelNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.ModelNotReadyError: grpc.StatusCode.UNAVAILABLE,
    errors.StoppingError: grpc.StatusCode.UNAVAILABLE,
    errors.QueueFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NoRoomError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlineExceededError: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.RequestCancelledError: grpc.StatusCode.CANCELLED,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
    errors.ModelLoadError: grpc.StatusCode.UNAVAILABLE,
    errors.StartupError: grpc.StatusCode.UNAVAILABLE,
    errors.RepositoryError: grpc.StatusCode.UNAVAILABLE,
    errors.AddressError: grpc.StatusCode.UNAVAILABLE,
    errors.CredentialsError: grpc.StatusCode.UNAVAILABLE,
}

INTERNAL_TEXT = "the server failed on this request; its log says why"
"""All that a client learns of a fault of ours: anything more could reveal what it must not."""

STARTUP_TEXT = "the server cannot read its repository now; its log says why"
"""Likewise of what is wrong with the server's own files."""

PUSHBACK = "grpc-retry-pushback-ms"
"""The trailer by which gRPC clients that retry learn how long to wait."""


def described(
    error: Exception, *, log_fault: bool = True
) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]]:
    """The status code, the text and the trailers by which a client learns of an error.

    One that is not of :mod:`serving.errors` was not foreseen: it is logged with its traceback, and INTERNAL.

    Args:
        error: The error.
        log_fault: Whether a fault of ours is logged; it is to be once.
    """
    if isinstance(error, DecodeError):
        return grpc.StatusCode.INVALID_ARGUMENT, "the request is not a valid protobuf message of its type", ()
    code = STATUS[type(error)] if isinstance(error, errors.ServingError) else grpc.StatusCode.INTERNAL
    if code is grpc.StatusCode.INTERNAL:
        if log_fault:
            log.error("a request failed", exc_info=error)
        return grpc.StatusCode.INTERNAL, INTERNAL_TEXT, ()
    if isinstance(error, errors.StartupError):
        # Meant for whoever starts servers, and it names folders.
        log.error("a request found the server in want of something: %s", error)
        return code, STARTUP_TEXT, ()
    text = presentable(str(error))
    if isinstance(error, errors.QueueFullError):
        return code, text, ((PUSHBACK, str(math.ceil(error.retry_after * 1000))),)
    return code, text, ()
