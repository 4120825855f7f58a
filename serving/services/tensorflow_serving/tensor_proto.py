"""Converts between TensorFlow's ``TensorProto`` and the tensors of the dataplane, without TensorFlow.

A TensorProto holds its elements as bytes in ``tensor_content``, or one by one in the repeated field of its type. That
list may be shorter than the tensor: its last element is then repeated, and an empty list means zeros. TensorFlow
writes tensors that way to save bytes, so a few bytes may stand for gigabytes; :class:`MemoryBudget` limits that.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from protos import tensorflow_core_pb2 as core
from serving.dataplane.input_decoder import MOST_DIMENSIONS
from serving.datatypes import BYTES, NUMPY, pack_bytes
from serving.errors import InvalidInputError
from serving.runtimes.runtime import Array
from serving.services.tensorflow_serving.tensor_types import FIELDS, TYPES
from serving.varint import write_number

CONTENT = "tensor_content"

_DATATYPES = {value: name for name, value in TYPES.items()}

_ELEMENT_DTYPES = {
    name: np.dtype(np.uint16) if FIELDS[name] == "half_val" else NUMPY[name] for name in FIELDS
}
"""How a list holds the elements of each datatype."""

_LEN = 2
"""The wire type of length-delimited fields, such as packed lists."""

_PACKED_TAGS = {
    datatype: write_number(core.TensorProto.DESCRIPTOR.fields_by_name[FIELDS[datatype]].number << 3 | _LEN)
    for datatype in ("BOOL", "FP32", "FP64")
}
"""The tags of packed lists whose elements have the same bytes on the wire and in memory. Other lists hold varints."""

_BYTES_OVERHEAD = 64
"""Bytes that an element of BYTES takes in memory in addition to its content."""


class MemoryBudget:
    """The bytes that the tensors of one request may take in memory, together.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size

    def take(self, name: str, size: int) -> None:
        """Take bytes for an input.

        Raises:
            InvalidInputError: Fewer are left.
        """
        self._left -= size
        if self._left < 0:
            raise InvalidInputError(
                f"input '{name}' takes {size} bytes when written out; all inputs together may take "
                f"{self._size}: send fewer rows"
            )


def datatype_of(name: str, tensor: core.TensorProto) -> str:
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


def shape_of(name: str, tensor: core.TensorProto) -> tuple[int, ...]:
    """The shape of an input.

    Raises:
        InvalidInputError: A size or the rank is unknown, or there are too many dimensions.
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


def wire_form(name: str, tensor: core.TensorProto, budget: MemoryBudget) -> bytes | memoryview:
    """The elements of an input as the Open Inference Protocol's raw contents; ``tensor_content`` is not copied.

    Args:
        name: The input's name, for errors.
        tensor: The input.
        budget: The bytes that it may take.

    Raises:
        InvalidInputError: The elements are in the wrong field, are too many, or are out of range for their type.
    """
    datatype = datatype_of(name, tensor)
    values = getattr(tensor, FIELDS[datatype])
    content = tensor.tensor_content
    if content and datatype != BYTES and not values:
        return content
    _check_fields(name, tensor, datatype)
    count = prod(shape_of(name, tensor))
    if len(values) > count:
        raise InvalidInputError(f"input '{name}' has {count} elements by its shape; got {len(values)}")
    if datatype == BYTES:
        return _strings(name, values, count, budget)
    return _numbers(name, datatype, values, count, budget)


def write(array: Array, datatype: str, tensor: core.TensorProto, *, content: bool = False) -> None:
    """Write an output into a message as TensorFlow Serving does.

    Args:
        array: The output.
        datatype: Its datatype.
        tensor: The message; empty.
        content: Whether to write elements to ``tensor_content``, not to the repeated field of their type. BYTES
            always go to ``string_val``.
    """
    tensor.dtype = TYPES[datatype]
    write_shape(array.shape, tensor.tensor_shape)
    if datatype == BYTES:
        texts = array.ravel().tolist()
        tensor.string_val.extend(each.encode() if isinstance(each, str) else each for each in texts)
    elif content:
        # A copy that cannot be avoided: protobuf accepts only bytes.
        tensor.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elif datatype in _PACKED_TAGS:
        _merge_list(array, datatype, tensor)
    else:
        elements = array.ravel().astype(NUMPY[datatype], copy=False).view(_ELEMENT_DTYPES[datatype])
        getattr(tensor, FIELDS[datatype]).extend(elements.tolist())


def _merge_list(array: Array, datatype: str, tensor: core.TensorProto) -> None:
    """Write the wire form of the list and let protobuf parse it: appending each element takes ten times as long."""
    # Every true becomes 1: a byte from 0x80 would be the beginning of a longer varint.
    elements = array.view(np.uint8) != 0 if datatype == "BOOL" else array
    data = elements.astype(NUMPY[datatype].newbyteorder("<"), copy=False).tobytes()
    tensor.MergeFromString(b"".join((_PACKED_TAGS[datatype], write_number(len(data)), data)))


def write_shape(sizes: Sequence[int], shape: core.TensorShapeProto) -> None:
    """Write a shape into a message. A free size is -1, as in TensorFlow."""
    shape.SetInParent()
    for size in sizes:
        shape.dim.add(size=size)


def _check_fields(name: str, tensor: core.TensorProto, datatype: str) -> None:
    """Refuse elements in any field but that of their type: they would be ignored, and zeros taken for them."""
    filled = [
        each.name for each, _ in tensor.ListFields() if each.name == CONTENT or each.name.endswith("_val")
    ]
    if filled and filled != [FIELDS[datatype]]:
        allowed = FIELDS[datatype] if datatype == BYTES else f"{FIELDS[datatype]} or {CONTENT}"
        raise InvalidInputError(
            f"input '{name}' of type {core.DataType.Name(tensor.dtype)} takes its elements in {allowed}; "
            f"got {' and '.join(filled)}"
        )


def _strings(name: str, values: Sequence[bytes], count: int, budget: MemoryBudget) -> bytes:
    missing = count - len(values)
    last = values[-1] if values else b""
    budget.take(name, sum(map(len, values)) + missing * (len(last) + _BYTES_OVERHEAD))
    return pack_bytes(np.array([*values, *[last] * missing], np.object_))


def _numbers(name: str, datatype: str, values: Sequence[Any], count: int, budget: MemoryBudget) -> memoryview:
    dtype = _ELEMENT_DTYPES[datatype].newbyteorder("<")
    budget.take(name, count * dtype.itemsize)
    try:
        listed = np.fromiter(values, dtype, len(values))
    except OverflowError as error:
        raise InvalidInputError(f"input '{name}': an element is out of range for {datatype}") from error
    if len(listed) < count:
        fill = listed[-1] if len(listed) else dtype.type(0)
        listed = np.concatenate([listed, np.full(count - len(listed), fill, dtype)])
    return listed.view(np.uint8).data
