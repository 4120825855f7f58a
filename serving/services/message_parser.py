"""Parses the messages of all methods, after their elements have been counted."""

from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from serving.dataplane.large_message_thread import off_loop
from serving.services.element_count import ElementCount

SMALL = 2 << 10
"""Bytes up to which a message is parsed without counting: its elements cost a few milliseconds at most."""

AT_ONCE = 1024
"""Fields that are counted on the event loop, in a fraction of a millisecond. Messages with more go to a thread."""


class MessageParser:
    """Parses messages of one type.

    Args:
        request_type: The type.
    """

    def __init__(self, request_type: type[Message]) -> None:
        self._parse = request_type.FromString
        self._count = ElementCount(cast("Descriptor", request_type.DESCRIPTOR))

    async def parse(self, data: bytes) -> Any:  # noqa: ANN401  a message of the type
        """Parse a message.

        Raises:
            InvalidInputError: It has too many elements.
            DecodeError: It is not a valid message of the type.
        """
        if len(data) <= SMALL or self._count.check(data, AT_ONCE):
            return self._parse(data)
        return await off_loop(self._counted, data)

    def _counted(self, data: bytes) -> Message:
        self._count.check(data)
        return self._parse(data)
