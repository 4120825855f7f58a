"""Finds the fields of a serialised message: where each begins and ends, without making objects of the values.

The walk is strict. It accepts the fields in the table that it was given, in the wire type given there, and each
singular field once. Every other message is irregular, even where protobuf accepts it. So two messages that are equal
in all tags and lengths have the same fields, whatever the values of the fields are.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Mapping
from typing import NamedTuple

from serving.services.element_limits import I32, I64, LEN, VARINT
from serving.varint import read_number, write_number

MOST_FIELDS = 1024
"""Fields of a message altogether. A walk over them takes about a millisecond."""


class IrregularMessageError(Exception):
    """A message has a field that is unknown, repeated, or written in an unusual way. Never leaves this package."""


class FieldTable(NamedTuple):
    """The fields that a message may have.

    Attributes:
        wire_types: The wire type of each field by its number.
        repeated: The numbers of those that may come more than once.
    """

    wire_types: Mapping[int, int]
    repeated: frozenset[int] = frozenset()


class WireField(NamedTuple):
    """One field of a message.

    Attributes:
        number: Its number.
        start: Where its tag begins.
        at: Where its value begins, behind the length if it has one.
        end: Where its value ends.
    """

    number: int
    start: int
    at: int
    end: int


class MessageWalk:
    """Walks over a message and, where asked, over the messages in it.

    Args:
        data: The message.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = MOST_FIELDS

    def message(self, table: FieldTable) -> list[WireField]:
        """The fields of the whole message.

        Raises:
            IrregularMessageError: See above.
        """
        return self._fields(0, len(self._data), table)

    def within(self, field: WireField, table: FieldTable) -> list[WireField]:
        """The fields of a message that is the value of a field.

        Raises:
            IrregularMessageError: See above.
        """
        return self._fields(field.at, field.end, table)

    def _fields(self, at: int, end: int, table: FieldTable) -> list[WireField]:
        found: list[WireField] = []
        seen: set[int] = set()
        while at < end:
            self._left -= 1
            field = self._field(at, end, table)
            if self._left < 0 or (field.number in seen and field.number not in table.repeated):
                raise IrregularMessageError
            seen.add(field.number)
            found.append(field)
            at = field.end
        return found

    def _field(self, start: int, end: int, table: FieldTable) -> WireField:
        tag, at = self._number(start, end)
        number, wire_type = tag >> 3, tag & 7
        if table.wire_types.get(number) != wire_type:
            raise IrregularMessageError
        if wire_type == LEN:
            size, at = self._number(at, end)
            stop = at + size
        elif wire_type == VARINT:
            _, stop = self._number(at, end)
        else:
            stop = at + {I64: 8, I32: 4}[wire_type]
        if stop > end:
            raise IrregularMessageError
        return WireField(number, start, at, stop)

    def _number(self, at: int, end: int) -> tuple[int, int]:
        """A number that is written in as few bytes as possible, and where it ends."""
        try:
            value, stop = read_number(self._data, at)
        except IndexError:
            raise IrregularMessageError from None
        if stop > end or self._data[at:stop] != write_number(value):
            raise IrregularMessageError
        return value, stop


def only(fields: list[WireField], number: int) -> WireField:
    """The only field of a number.

    Raises:
        IrregularMessageError: There is none, or there are several.
    """
    found = [field for field in fields if field.number == number]
    if len(found) != 1:
        raise IrregularMessageError
    return found[0]
