"""Between TensorFlow's ``TensorProto`` and the tensors of the dataplane, without TensorFlow.

A TensorProto holds its elements as bytes in ``tensor_content``, or one by one in the list of its type. A list
may be shorter than the tensor: its last element then stands for all that follow, and an empty list for zeros.
TensorFlow writes tensors that way to save bytes, so a few bytes may stand for gigabytes; :class:`Budget` says
how many are taken.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from protos import tensorflow_core_pb2 as core
from serving.dataplane.input_decoder import MOST_DIMENSIONS
from serving.datatypes import BF16, BYTES, NUMPY, pack_bytes
from serving.errors import InvalidInputError
from serving.runtimes.runtime import Array
from serving.varint import write_number

TYPES = {
    "BOOL": core.DT_BOOL,
    "UINT8": core.DT_UINT8,
    "UINT16": core.DT_UINT16,
    "UINT32": core.DT_UINT32,
    "UINT64": core.DT_UINT64,
    "INT8": core.DT_INT8,
    "INT16": core.DT_INT16,
    "INT32": core.DT_INT32,
    "INT64": core.DT_INT64,
    "FP16": core.DT_HALF,
    "FP32": core.DT_FLOAT,
    "FP64": core.DT_DOUBLE,
    BF16: core.DT_BFLOAT16,
    BYTES: core.DT_STRING,
}
"""TensorFlow's type for each datatype."""

FIELDS = {
    "BOOL": "bool_val",
    "UINT8": "int_val",
    "UINT16": "int_val",
    "UINT32": "uint32_val",
    "UINT64": "uint64_val",
    "INT8": "int_val",
    "INT16": "int_val",
    "INT32": "int_val",
    "INT64": "int64_val",
    "FP16": "half_val",
    "FP32": "float_val",
    "FP64": "double_val",
    BF16: "half_val",
    BYTES: "string_val",
}
"""The list that holds a datatype's elements. 16-bit floats stand there as their bit patterns."""

CONTENT = "tensor_content"

_DATATYPES = {value: name for name, value in TYPES.items()}
_LISTED = {name: np.dtype(np.uint16) if FIELDS[name] == "half_val" else NUMPY[name] for name in FIELDS}
_DELIMITED = 2
"""The wire type of what stands behind its length: a packed list does."""

_PACKED_TAGS = {
    held: write_number(core.TensorProto.DESCRIPTOR.fields_by_name[FIELDS[held]].number << 3 | _DELIMITED)
    for held in ("BOOL", "FP32", "FP64")
}
"""What stands before a list whose elements are the same there and in memory. Those of other datatypes are varints."""

_ELEMENT = 64
"""Bytes that an element of BYTES takes in memory beside its own."""


class Budget:
    """The bytes that the tensors of one request may take in memory, together.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size

    def take(self, name: str, size: int) -> None:
        """Take some for an input.

        Raises:
            InvalidInputError: More than are left.
        """
        self._left -= size
        if self._left < 0:
            raise InvalidInputError(
                f"input '{name}' takes {size} bytes when written out; all inputs together may take "
                f"{self._size}: send fewer rows"
            )


def datatype(name: str, tensor: core.TensorProto) -> str:
    """The datatype of an input.

    Raises:
        InvalidInputError: No runtime has TensorFlow's type.
    """
    found = _DATATYPES.get(tensor.dtype)
    if found is None:
        types = core.DataType
        known = types.Name(tensor.dtype) if tensor.dtype in types.values() else str(tensor.dtype)
        expected = ", ".join(types.Name(each) for each in TYPES.values())
        raise InvalidInputError(f"input '{name}' is of type {known}; the models here take {expected}")
    return found


def shape(name: str, tensor: core.TensorProto) -> tuple[int, ...]:
    """The shape of an input.

    Raises:
        InvalidInputError: A size, or the rank, is unknown, or there are too many.
    """
    rank = len(tensor.tensor_shape.dim)
    if rank > MOST_DIMENSIONS:
        raise InvalidInputError(
            f"input '{name}' has {rank} dimensions; at most {MOST_DIMENSIONS} are possible"
        )
    sizes = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise InvalidInputError(f"input '{name}' must state every size of its shape")
    return sizes


def wire_form(name: str, tensor: core.TensorProto, budget: Budget) -> bytes | memoryview:
    """The elements of an input as the Open Inference Protocol's raw contents; ``tensor_content`` is not copied.

    Args:
        name: The input's name, for errors.
        tensor: The input.
        budget: What it may take.

    Raises:
        InvalidInputError: The elements stand in the wrong field, are too many, or do not fit their type.
    """
    held = datatype(name, tensor)
    values = getattr(tensor, FIELDS[held])
    content = tensor.tensor_content
    if content and held != BYTES and not values:
        return content
    _check_fields(name, tensor, held)
    count = prod(shape(name, tensor))
    if len(values) > count:
        raise InvalidInputError(f"input '{name}' has {count} elements by its shape; got {len(values)}")
    if held == BYTES:
        return _strings(name, values, count, budget)
    return _numbers(name, held, values, count, budget)


def write(array: Array, held: str, tensor: core.TensorProto, *, content: bool = False) -> None:
    """Put an output into a message as TensorFlow Serving does.

    Args:
        array: The output.
        held: Its datatype.
        tensor: The message; empty.
        content: Whether the elements go to ``tensor_content``, and not to the list of their type. BYTES always go
            to ``string_val``.
    """
    tensor.dtype = TYPES[held]
    write_shape(array.shape, tensor.tensor_shape)
    if held == BYTES:
        texts = array.ravel().tolist()
        tensor.string_val.extend(each.encode() if isinstance(each, str) else each for each in texts)
    elif content:
        # The one copy there must be: protobuf takes bytes and nothing else.
        tensor.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elif held in _PACKED_TAGS:
        _merge_list(array, held, tensor)
    else:
        elements = array.ravel().astype(NUMPY[held], copy=False).view(_LISTED[held])
        getattr(tensor, FIELDS[held]).extend(elements.tolist())


def _merge_list(array: Array, held: str, tensor: core.TensorProto) -> None:
    """Write the list as it is on the wire and have protobuf read it: one by one it takes ten times as long."""
    # A byte that is neither 0 nor 1 would be the beginning of a longer number.
    elements = array.view(np.uint8) != 0 if held == "BOOL" else array
    data = elements.astype(NUMPY[held].newbyteorder("<"), copy=False).tobytes()
    tensor.MergeFromString(b"".join((_PACKED_TAGS[held], write_number(len(data)), data)))


def write_shape(sizes: Sequence[int], shape: core.TensorShapeProto) -> None:
    """Put a shape into a message; TensorFlow too writes -1 for a free size."""
    shape.SetInParent()
    for size in sizes:
        shape.dim.add(size=size)


def _check_fields(name: str, tensor: core.TensorProto, held: str) -> None:
    """Refuse elements in any field but the one for their type: they would be taken for missing, that is for zeros."""
    filled = [
        each.name for each, _ in tensor.ListFields() if each.name == CONTENT or each.name.endswith("_val")
    ]
    if filled and filled != [FIELDS[held]]:
        allowed = FIELDS[held] if held == BYTES else f"{FIELDS[held]} or {CONTENT}"
        raise InvalidInputError(
            f"input '{name}' of type {core.DataType.Name(tensor.dtype)} takes its elements in {allowed}; "
            f"got {' and '.join(filled)}"
        )


def _strings(name: str, values: Sequence[bytes], count: int, budget: Budget) -> bytes:
    missing = count - len(values)
    last = values[-1] if values else b""
    budget.take(name, sum(map(len, values)) + missing * (len(last) + _ELEMENT))
    return pack_bytes(np.array([*values, *[last] * missing], np.object_))


def _numbers(name: str, held: str, values: Sequence[Any], count: int, budget: Budget) -> memoryview:
    dtype = _LISTED[held].newbyteorder("<")
    budget.take(name, count * dtype.itemsize)
    try:
        listed = np.fromiter(values, dtype, len(values))
    except OverflowError as error:
        raise InvalidInputError(f"input '{name}': an element is out of range for {held}") from error
    if len(listed) < count:
        fill = listed[-1] if len(listed) else dtype.type(0)
        listed = np.concatenate([listed, np.full(count - len(listed), fill, dtype)])
    return listed.view(np.uint8).data
