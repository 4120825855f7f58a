"""The one table from errors to gRPC status codes, and how an error is told to a client."""

import logging
import math

from google.protobuf.message import DecodeError

from serving import errors
from serving.error_text import presentable
from serving.transport.code import Code, Status

log = logging.getLogger(__name__)

STATUS: dict[type[errors.ServingError], Code] = {
    errors.InvalidInputError: Code.INVALID_ARGUMENT,
    errors.ModelNotFoundError: Code.NOT_FOUND,
    errors.UnavailableError: Code.UNAVAILABLE,
    errors.ModelNotReadyError: Code.UNAVAILABLE,
    errors.StoppingError: Code.UNAVAILABLE,
    errors.QueueFullError: Code.RESOURCE_EXHAUSTED,
    errors.TooLargeError: Code.RESOURCE_EXHAUSTED,
    errors.NoRoomError: Code.RESOURCE_EXHAUSTED,
    errors.DeadlineExceededError: Code.DEADLINE_EXCEEDED,
    errors.RequestCancelledError: Code.CANCELLED,
    errors.UnsupportedError: Code.UNIMPLEMENTED,
    errors.UnauthenticatedError: Code.UNAUTHENTICATED,
    errors.PermissionDeniedError: Code.PERMISSION_DENIED,
    errors.InternalError: Code.INTERNAL,
    errors.ModelLoadError: Code.UNAVAILABLE,
    errors.StartupError: Code.UNAVAILABLE,
    errors.RepositoryError: Code.UNAVAILABLE,
    errors.AddressError: Code.UNAVAILABLE,
    errors.CredentialsError: Code.UNAVAILABLE,
}

INTERNAL_TEXT = "the server failed on this request; its log says why"
"""All that a client learns of a fault of ours: anything more could reveal what it must not."""

STARTUP_TEXT = "the server cannot read its repository now; its log says why"
"""Likewise of what is wrong with the server's own files."""

PUSHBACK = "grpc-retry-pushback-ms"
"""The trailer by which gRPC clients that retry learn how long to wait."""


def described(error: Exception, *, log_fault: bool = True) -> Status:
    """The status code, the text and the trailers by which a client learns of an error.

    One that is not of :mod:`serving.errors` was not foreseen: it is logged with its traceback, and INTERNAL.

    Args:
        error: The error.
        log_fault: Whether a fault of ours is logged; it is to be once.
    """
    if isinstance(error, DecodeError):
        return Status(Code.INVALID_ARGUMENT, "the request is not a valid protobuf message of its type")
    code = STATUS[type(error)] if isinstance(error, errors.ServingError) else Code.INTERNAL
    if code is Code.INTERNAL:
        if log_fault:
            log.error("a request failed", exc_info=error)
        return Status(Code.INTERNAL, INTERNAL_TEXT)
    if isinstance(error, errors.StartupError):
        # Meant for whoever starts servers, and it names folders.
        log.error("a request found the server in want of something: %s", error)
        return Status(code, STARTUP_TEXT)
    text = presentable(str(error))
    if isinstance(error, errors.QueueFullError):
        return Status(code, text, ((PUSHBACK, str(math.ceil(error.retry_after * 1000))),))
    return Status(code, text)
