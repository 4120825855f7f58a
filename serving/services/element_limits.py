"""How many elements each field of a message may have, worked out once from the descriptor of its type.

Source of the wire types: https://protobuf.dev/programming-guides/encoding/
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

MAX_ELEMENTS = 4096
"""Elements of one repeated field in all of a message, at whatever depth: tensors, parameters, names, models."""

MAX_NUMBERS = 1 << 16
"""The same for a field of numbers that becomes a list, such as the sizes of shapes."""

MAX_FEATURES = 1 << 16
"""The same for the features of examples, which are passed on to a graph as they came."""

TENSOR_CONTENTS = frozenset(
    {
        "inference.InferTensorContents",
        "tensorflow.TensorProto",
        "tensorflow.BytesList",
        "tensorflow.FloatList",
        "tensorflow.Int64List",
    }
)
"""Messages whose repeated scalars are the elements of a tensor. Python objects are made of those on access only."""

FEATURES = "tensorflow.Features"

VARINT, I64, LEN, SGROUP, EGROUP, I32 = range(6)
"""The wire types, by the names that protobuf's documentation gives them."""


@dataclass(slots=True)
class FieldLimit:
    """The limit of a field, and of the fields of its message.

    Attributes:
        name: The field's name, for error texts.
        most: The most elements it may have; 0 for no limit.
        within: The limits of its message's fields by tag; None if the field is no message.
        packed: Whether its numbers may be packed into one length-delimited field.
    """

    name: str
    most: int
    within: "dict[int, FieldLimit] | None"
    packed: bool


def limits_by_tag(descriptor: Descriptor, known: dict[str, dict[int, FieldLimit]]) -> dict[int, FieldLimit]:
    """The limits of a message's fields by tag. Fields that are neither counted nor entered have none.

    Args:
        descriptor: The type of the message.
        known: The limits of the types seen so far by full name; extended. Messages may contain their own type.
    """
    limits = known.get(descriptor.full_name)
    if limits is not None:
        return limits
    limits = known[descriptor.full_name] = {}
    for each in descriptor.fields:
        limit = _limit(each, descriptor.full_name, known)
        if limit is not None:
            # A parser accepts numbers packed and one by one, whatever the .proto file says.
            wire_types = (VARINT, I64, LEN, I32) if limit.packed else (LEN,)
            limits |= {each.number << 3 | wire_type: limit for wire_type in wire_types}
    return limits


def _limit(each: FieldDescriptor, holder: str, known: dict[str, dict[int, FieldLimit]]) -> FieldLimit | None:
    """The limit of a field of the message type ``holder``; None if it needs none."""
    message: Any = each.message_type
    if message is not None:
        most = MAX_FEATURES if holder == FEATURES else MAX_ELEMENTS
        return FieldLimit(
            each.name, most if each.is_repeated else 0, limits_by_tag(message, known), packed=False
        )
    if holder in TENSOR_CONTENTS or not each.is_repeated:
        return None
    numbers = each.cpp_type != FieldDescriptor.CPPTYPE_STRING
    return FieldLimit(each.name, MAX_NUMBERS if numbers else MAX_ELEMENTS, None, packed=numbers)
