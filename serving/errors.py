"""The errors of the server.

:mod:`serving.services.error_to_status` maps each class to a gRPC status code.

ServingError
├── InvalidInputError        the request contradicts the model's metadata, or itself
├── ModelNotFoundError       there is no model, or no version, of that name
├── UnavailableError         cannot answer now; it may later
│   ├── ModelNotReadyError   the model is known and cannot answer; the text says why
│   └── StoppingError        the server is draining and takes nothing new
├── QueueFullError           too many requests wait for this model
├── TooLargeError            the request is larger than allowed
├── NoRoomError              the file system of shared memory has no room for the answer
├── DeadlineExceededError    the time the client gave ran out before the model ran
├── RequestCancelledError    the client has gone
├── UnsupportedError         the server does not support this
├── UnauthenticatedError     the client sent no valid credentials
├── PermissionDeniedError    the client's credentials do not permit this
├── InternalError            the server's own fault; the client learns no details
├── ModelLoadError           a version cannot be loaded; becomes the reason of a ModelNotReadyError
└── StartupError             the server cannot start
    ├── RepositoryError      the repository is missing or holds no model
    ├── AddressError         the address cannot be listened on
    ├── CredentialsError     certificates or tokens cannot be used
    └── FrontEndError        the front end that was asked for cannot be used

The text of an error says what is wrong, what was received and what was expected, and has no path of the server.
"""

from typing import ClassVar


class ServingError(Exception):
    """Base of the errors whose text is meant for clients or for the owner of the server."""


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
        retry_after: Seconds after which the client should try again.
    """

    def __init__(self, what: str, *, retry_after: float) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class TooLargeError(ServingError):
    """The request is larger than allowed; trying again does not help."""


class NoRoomError(ServingError):
    """The file system of shared memory has no room for the answer."""


class DeadlineExceededError(ServingError):
    """The time the client gave ran out before the model ran."""


class RequestCancelledError(ServingError):
    """The client has gone before the model ran."""


class UnsupportedError(ServingError):
    """The server does not support this."""


class UnauthenticatedError(ServingError):
    """The client sent no valid credentials."""


class PermissionDeniedError(ServingError):
    """The client's credentials do not permit this."""


class InternalError(ServingError):
    """The server's own fault. Its text is for the log; the client gets a fixed one."""


class ModelLoadError(ServingError):
    """A version of a model cannot be loaded; the text is the reason."""


class StartupError(ServingError):
    """The server cannot start.

    Attributes:
        exit_code: The exit code of the command.
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


class FrontEndError(StartupError):
    """The front end that was asked for cannot be used on this machine."""

    exit_code = 6
