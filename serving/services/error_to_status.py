"""Maps errors to gRPC statuses: the only table of status codes, and the texts that clients get."""

import logging
import math

from google.protobuf.message import DecodeError

from serving import errors
from serving.error_text import sanitized
from serving.transport.status_code import Code, Status

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
    errors.FrontEndError: Code.UNAVAILABLE,
}

INTERNAL_TEXT = "the server failed on this request; its log says why"
"""The text of every INTERNAL error. Details could reveal secrets."""

STARTUP_TEXT = "the server cannot read its repository now; its log says why"
"""The text of errors in the server's own files, for the same reason."""

PUSHBACK = "grpc-retry-pushback-ms"
"""The trailer that tells gRPC clients how long to wait before they retry."""


def status_of(error: Exception, *, log_fault: bool = True) -> Status:
    """The status of an error: code, text and trailers.

    An error that is not of :mod:`serving.errors` is unexpected: it is INTERNAL and is logged with its traceback.

    Args:
        error: The error.
        log_fault: Whether to log an unexpected error; False if it is logged elsewhere.
    """
    if isinstance(error, DecodeError):
        return Status(Code.INVALID_ARGUMENT, "the request is not a valid protobuf message of its type")
    code = STATUS[type(error)] if isinstance(error, errors.ServingError) else Code.INTERNAL
    if code is Code.INTERNAL:
        if log_fault:
            log.error("a request failed", exc_info=error)
        return Status(Code.INTERNAL, INTERNAL_TEXT)
    if isinstance(error, errors.StartupError):
        # Written for the operator; it contains paths.
        log.error("a request found the server in want of something: %s", error)
        return Status(code, STARTUP_TEXT)
    text = sanitized(str(error))
    if isinstance(error, errors.QueueFullError):
        return Status(code, text, ((PUSHBACK, str(math.ceil(error.retry_after * 1000))),))
    return Status(code, text)
