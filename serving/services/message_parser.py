"""From bytes to messages: every message of every method comes this way, once its elements were counted."""

from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from serving.dataplane.off_loop import off_loop
from serving.services.element_count import ElementCount

SMALL = 2 << 10
"""Bytes of a message that is parsed uncounted: its elements cost a few milliseconds at the most."""

AT_ONCE = 1024
"""Fields that are walked over on the event loop, in a fraction of a millisecond; beyond that it is done elsewhere."""


class MessageParser:
    """Parses messages of one type.

    Args:
        request_type: The type.
    """

    def __init__(self, request_type: type[Message]) -> None:
        self._parse = request_type.FromString
        self._count = ElementCount(cast("Descriptor", request_type.DESCRIPTOR))

    async def parse(self, data: bytes) -> Any:  # noqa: ANN401  a message of the type
        """The message.

        Raises:
            InvalidInputError: It has more elements than are taken.
            DecodeError: It is none.
        """
        if len(data) <= SMALL or self._count.check(data, AT_ONCE):
            return self._parse(data)
        return await off_loop(self._counted, data)

    def _counted(self, data: bytes) -> Message:
        self._count.check(data)
        return self._parse(data)
