"""The status codes of gRPC.

Source: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
"""

from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """How a call ended, by the number that goes on the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Status(NamedTuple):
    """What a client learns of a call that failed.

    Attributes:
        code: The status code.
        text: The message beside it.
        trailers: Further metadata, by lower-case name.
    """

    code: Code
    text: str
    trailers: tuple[tuple[str, str], ...] = ()
