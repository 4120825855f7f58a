"""Everything that can go wrong while serving.

:mod:`serving.services.error_to_status` maps each class to a gRPC status code.

ServingError
├── InvalidInputError        the request contradicts the model's metadata, or itself
├── ModelNotFoundError       there is no model, or no version, of that name
├── UnavailableError         cannot answer now; it may later
│   ├── ModelNotReadyError   the model is known and cannot answer; the text says why
│   └── StoppingError        the server is draining and takes nothing new
├── QueueFullError           too many requests wait for this model
├── TooLargeError            the request is larger than one may be
├── NoRoomError              the file system of shared memory has no room for the answer
├── DeadlineExceededError    the time the client gave ran out before the model ran
├── RequestCancelledError    the client went away
├── UnsupportedError         the server does not do this
├── UnauthenticatedError     who is asking is unknown
├── PermissionDeniedError    who is asking may not
├── InternalError            the server's own fault; the client learns no details
├── ModelLoadError           a version cannot be loaded; becomes the reason of a ModelNotReadyError
└── StartupError             the server cannot start
    ├── RepositoryError      the repository is missing or holds no model
    ├── AddressError         the address cannot be listened on
    └── CredentialsError     certificates or tokens cannot be used

A text says what is wrong, what came and what was expected, and reveals no path of the server.
"""

from typing import ClassVar


class ServingError(Exception):
    """Base of every error that has a designed text."""


class InvalidInputError(ServingError):
    """The request contradicts the model's metadata, or itself."""


class ModelNotFoundError(ServingError):
    """There is no model, or no version, of that name."""


class UnavailableError(ServingError):
    """The server cannot answer now; it may later."""


class ModelNotReadyError(UnavailableError):
    """The model is known and cannot answer; the text says why."""


class StoppingError(UnavailableError):
    """The server is draining and takes nothing new."""


class QueueFullError(ServingError):
    """Too many requests wait for this model.

    Attributes:
        retry_after: Seconds after which trying again makes sense.
    """

    def __init__(self, what: str, *, retry_after: float) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class TooLargeError(ServingError):
    """The request is larger than one may be; trying again changes nothing."""


class NoRoomError(ServingError):
    """The file system of shared memory has no room for the answer."""


class DeadlineExceededError(ServingError):
    """The time the client gave ran out before the model ran."""


class RequestCancelledError(ServingError):
    """The client went away before the model ran."""


class UnsupportedError(ServingError):
    """The server does not do this."""


class UnauthenticatedError(ServingError):
    """Who is asking is unknown."""


class PermissionDeniedError(ServingError):
    """Who is asking may not do this."""


class InternalError(ServingError):
    """The server's own fault. Its text is for the log; the client gets a fixed one."""


class ModelLoadError(ServingError):
    """A version of a model cannot be loaded; the text is the reason."""


class StartupError(ServingError):
    """The server cannot start.

    Attributes:
        exit_code: What the command ends with.
    """

    exit_code: ClassVar[int] = 1


class RepositoryError(StartupError):
    """The repository is missing, unreadable, or holds no model."""

    exit_code = 2


class AddressError(StartupError):
    """The address cannot be listened on."""

    exit_code = 6


class CredentialsError(StartupError):
    """Certificates or tokens are missing, unreadable or wrong, or would be sent for all to read."""

    exit_code = 2
