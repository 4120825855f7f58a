"""Counts the elements of a message on its wire form, before objects are made of them.

An empty element takes two bytes on the wire (as gzip, a thousandth of that), but a hundred bytes and some
microseconds as an object. So the elements of each repeated field have a limit (:mod:`.element_limits`), and so have
the fields of a message altogether. A walk from tag to tag counts both and stops as soon as a limit is exceeded. A
packed field is one step however many numbers it holds; each text of a tensor is a step of its own.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from dataclasses import dataclass, field

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from serving.errors import InvalidInputError
from serving.services.element_limits import EGROUP, I32, I64, LEN, SGROUP, VARINT, FieldLimit, limits_by_tag
from serving.varint import read_number

MAX_FIELDS = 1 << 18
"""Fields of a message altogether, the texts of tensors among them. Walking over so many takes some 60 ms."""

_LAST_BYTES = bytes(range(0x80))
"""The bytes that can end a varint."""


@dataclass(slots=True)
class Count:
    """The state of a walk.

    Attributes:
        left: How many more fields it may visit.
        elements: Elements so far, by the identity of their limit.
    """

    left: int
    elements: dict[int, int] = field(default_factory=dict)

    def add(self, limit: FieldLimit, number: int) -> None:
        """Count elements of a field.

        Raises:
            InvalidInputError: They are too many.
        """
        count = self.elements[id(limit)] = self.elements.get(id(limit), 0) + number
        if count > limit.most:
            raise InvalidInputError(
                f"'{limit.name}' has {count} elements or more in one request, and {limit.most} are the most; "
                "split the request"
            )


class _Unfinished(Exception):  # noqa: N818  no error: the walk is done again elsewhere
    """The message has more fields than the walk may visit."""


class ElementCount:
    """Counts the elements of messages of one type.

    Args:
        descriptor: The type.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._limits = limits_by_tag(descriptor, {})

    def check(self, data: bytes, fields: int = MAX_FIELDS) -> bool:
        """Count the elements of a message, or of its beginning. Most malformed messages are left to the parser.

        Args:
            data: The message.
            fields: How many fields to visit before giving up.

        Returns:
            Whether everything was counted; False if the message has more fields than that.

        Raises:
            InvalidInputError: A repeated field has too many elements, or the message has too many fields.
            DecodeError: It has a field that cannot exist.
        """
        if not self._limits:
            return True
        try:
            _walk(data, 0, len(data), self._limits, Count(fields))
        except _Unfinished:
            if fields < MAX_FIELDS:
                return False
            raise InvalidInputError(
                f"the request has more than {MAX_FIELDS} fields, each text of a typed tensor being one; "
                "split it, or send texts as raw contents"
            ) from None
        except IndexError:
            # It ends within a number.
            return True
        return True


def _walk(data: bytes, at: int, end: int, limits: dict[int, FieldLimit], count: Count) -> None:
    """Visit the fields of a message, and those of the messages in it."""
    # The hot loop: numbers of one byte are read in place, and ``left`` is a local variable between calls.
    left = count.left
    while at < end:
        if left <= 0:
            raise _Unfinished
        left -= 1
        tag = data[at]
        at += 1
        if tag > 0x7F:
            tag, at = read_number(data, at - 1)
        if tag & 7 == LEN and tag > 7:
            stop = data[at]
            at += 1
            if stop > 0x7F:
                stop, at = read_number(data, at - 1)
            stop += at
        else:
            count.left = left
            stop = _end(data, at, tag, count)
            left = count.left
        limit = limits.get(tag)
        if limit is not None and stop <= end:
            count.left = left
            _enter(data, at, stop, tag, limit, count)
            left = count.left
        at = stop
    count.left = left


def _enter(data: bytes, at: int, stop: int, tag: int, limit: FieldLimit, count: Count) -> None:
    """Count the elements of a field that has a limit, and walk over its message if it is one."""
    if limit.most:
        count.add(limit, _packed_numbers(data[at:stop]) if limit.packed and tag & 7 == LEN else 1)
    if limit.within is not None:
        _walk(data, at, stop, limit.within, count)


def _end(data: bytes, at: int, tag: int, count: Count) -> int:
    """Where a field ends that is not length-delimited.

    Raises:
        DecodeError: Its number is 0, or it ends a group that was not started.
    """
    wire_type = tag & 7 if tag > 7 else EGROUP
    if wire_type == VARINT:
        while data[at] > 0x7F:
            at += 1
        return at + 1
    if wire_type in {I32, I64}:
        return at + (4 if wire_type == I32 else 8)
    if wire_type == SGROUP:
        return _group_end(data, at, count)
    raise DecodeError


def _group_end(data: bytes, at: int, count: Count) -> int:
    """Where a group ends. No message type here has groups, so only the fields in it are counted."""
    depth = 1
    while depth:
        if count.left <= 0:
            raise _Unfinished
        count.left -= 1
        tag, at = read_number(data, at)
        wire_type = tag & 7
        if wire_type == LEN:
            size, at = read_number(data, at)
            at += size
        elif wire_type in {SGROUP, EGROUP}:
            depth += 1 if wire_type == SGROUP else -1
        else:
            at = _end(data, at, tag, count)
    return at


def _packed_numbers(data: bytes) -> int:
    """How many varints are packed: as many as there are last bytes."""
    return len(data) - len(data.translate(None, _LAST_BYTES))
