"""Counts the elements of a message on its wire form, before objects are made of them.

An empty element takes two bytes on the wire (as gzip, a thousandth of that), and a hundred bytes and some
microseconds once it is an object. So each repeated field has a bound on its elements, and a message has one on its
fields altogether. A walk from tag to tag counts both and stops as soon as one is passed. A packed field is one step
however many numbers it holds; the texts of a tensor are a step each.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from serving.errors import InvalidInputError
from serving.varint import read_number

MOST = 4096
"""Elements of one repeated field in a message, wherever in it they stand: tensors, parameters, names, models."""

MOST_SIZES = 1 << 16
"""Likewise of a field of numbers that becomes a list, as the sizes of shapes do."""

MOST_FEATURES = 1 << 16
"""Likewise of the features of examples, which go to a graph as they came."""

MOST_FIELDS = 1 << 18
"""Fields of a message altogether, the texts of tensors among them. Walking over so many takes some 60 ms."""

CONTENTS = frozenset(
    {
        "inference.InferTensorContents",
        "tensorflow.TensorProto",
        "tensorflow.BytesList",
        "tensorflow.FloatList",
        "tensorflow.Int64List",
    }
)
"""Messages whose repeated scalars are the elements of a tensor, of which objects are made when they are wanted."""

FEATURES = "tensorflow.Features"

_VARINT, _FIXED64, _LENGTH, _OPEN, _CLOSE, _FIXED32 = range(6)

_LAST_BYTES = bytes(range(0x80))
"""What ends a number of variable length."""


@dataclass(slots=True)
class Rule:
    """What is done with a field.

    Attributes:
        name: The field, as errors call it.
        most: Most elements of it; 0 for any number.
        within: The rules of its message; None if it is none.
        packed: Whether its numbers may stand side by side in one field.
    """

    name: str
    most: int
    within: "dict[int, Rule] | None"
    packed: bool


@dataclass(slots=True)
class Count:
    """What a walk has come to.

    Attributes:
        left: Fields that it may still walk over.
        elements: Elements so far, by the identity of their rule.
    """

    left: int
    elements: dict[int, int] = field(default_factory=dict)

    def add(self, rule: Rule, number: int) -> None:
        """Count elements of a field.

        Raises:
            InvalidInputError: They are too many.
        """
        count = self.elements[id(rule)] = self.elements.get(id(rule), 0) + number
        if count > rule.most:
            raise InvalidInputError(
                f"'{rule.name}' has {count} elements or more in one request, and {rule.most} are the most; "
                "split the request"
            )


class _Unfinished(Exception):  # noqa: N818  no error: the walk goes on elsewhere
    """More fields came than were to be walked over."""


class ElementCount:
    """Counts the elements of messages of one type.

    Args:
        descriptor: The type.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._rules = _rules(descriptor, {})

    def check(self, data: bytes, fields: int = MOST_FIELDS) -> bool:
        """Count the elements of a message, or of its beginning. What else is no protobuf the parser tells.

        Args:
            data: The message.
            fields: Fields to walk over before giving up.

        Returns:
            Whether all was counted; False if there are more fields than were to be walked over.

        Raises:
            InvalidInputError: A repeated field has too many elements, or the message too many fields.
            DecodeError: It has a field that cannot be.
        """
        if not self._rules:
            return True
        try:
            _walk(data, 0, len(data), self._rules, Count(fields))
        except _Unfinished:
            if fields < MOST_FIELDS:
                return False
            raise InvalidInputError(
                f"the request has more than {MOST_FIELDS} fields, each text of a typed tensor being one; "
                "split it, or send texts as raw contents"
            ) from None
        except IndexError:
            # It ends within a number.
            return True
        return True


def _rules(descriptor: Descriptor, known: dict[str, dict[int, Rule]]) -> dict[int, Rule]:
    """The rules of a message by tag; of fields that are neither counted nor entered there are none."""
    rules = known.get(descriptor.full_name)
    if rules is not None:
        return rules
    rules = known[descriptor.full_name] = {}
    for each in descriptor.fields:
        rule = _rule(each, descriptor.full_name, known)
        if rule is not None:
            # A parser takes numbers packed and one by one, whatever the contract says.
            kinds = (_VARINT, _FIXED64, _LENGTH, _FIXED32) if rule.packed else (_LENGTH,)
            rules |= {each.number << 3 | kind: rule for kind in kinds}
    return rules


def _rule(each: FieldDescriptor, holder: str, known: dict[str, dict[int, Rule]]) -> Rule | None:
    message: Any = each.message_type
    if message is not None:
        most = MOST_FEATURES if holder == FEATURES else MOST
        return Rule(each.name, most if each.is_repeated else 0, _rules(message, known), packed=False)
    if holder in CONTENTS or not each.is_repeated:
        return None
    numbers = each.cpp_type != FieldDescriptor.CPPTYPE_STRING
    return Rule(each.name, MOST_SIZES if numbers else MOST, None, packed=numbers)


def _walk(data: bytes, at: int, end: int, rules: dict[int, Rule], count: Count) -> None:
    """Walk over the fields of a message, and of those within it."""
    left = count.left
    while at < end:
        if left <= 0:
            raise _Unfinished
        left -= 1
        tag = data[at]
        at += 1
        if tag > 0x7F:
            tag, at = read_number(data, at - 1)
        if tag & 7 == _LENGTH and tag > 7:
            stop = data[at]
            at += 1
            if stop > 0x7F:
                stop, at = read_number(data, at - 1)
            stop += at
        else:
            count.left = left
            stop = _end(data, at, tag, count)
            left = count.left
        rule = rules.get(tag)
        if rule is not None and stop <= end:
            count.left = left
            _enter(data, at, stop, tag, rule, count)
            left = count.left
        at = stop
    count.left = left


def _enter(data: bytes, at: int, stop: int, tag: int, rule: Rule, count: Count) -> None:
    if rule.most:
        count.add(rule, _packed(data[at:stop]) if rule.packed and tag & 7 == _LENGTH else 1)
    if rule.within is not None:
        _walk(data, at, stop, rule.within, count)


def _end(data: bytes, at: int, tag: int, count: Count) -> int:
    """Where a field ends that has no length."""
    kind = tag & 7 if tag > 7 else _CLOSE
    if kind == _VARINT:
        while data[at] > 0x7F:
            at += 1
        return at + 1
    if kind in {_FIXED32, _FIXED64}:
        return at + (4 if kind == _FIXED32 else 8)
    if kind == _OPEN:
        return _group_end(data, at, count)
    # There is no field 0, and no group that ends here.
    raise DecodeError


def _group_end(data: bytes, at: int, count: Count) -> int:
    """Where a group ends; no message here has one, so that nothing in it is counted but its fields."""
    depth = 1
    while depth:
        if count.left <= 0:
            raise _Unfinished
        count.left -= 1
        tag, at = read_number(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            size, at = read_number(data, at)
            at += size
        elif kind in {_OPEN, _CLOSE}:
            depth += 1 if kind == _OPEN else -1
        else:
            at = _end(data, at, tag, count)
    return at


def _packed(numbers: bytes) -> int:
    """How many numbers of variable length stand side by side: as many as have a last byte."""
    return len(numbers) - len(numbers.translate(None, _LAST_BYTES))
