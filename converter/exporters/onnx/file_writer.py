"""Writes an ONNX file with one large weight in memory at a time.

A protobuf message is the sequence of its fields, and a nested message follows its length:

    ModelProto    ir_version .. producer_version | 7: graph | opset_import, metadata_props
    GraphProto    node, name | 5: initializer, initializer, ... | input, output
    TensorProto   dims, data_type, name | 9: raw_data

So the bytes are those of ``SerializeToString(deterministic=True)``, without the whole message in memory.
See https://protobuf.dev/programming-guides/encoding/.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import onnx

from converter.exporters.onnx.large_initializers import LargeWeight

Message: TypeAlias = onnx.ModelProto | onnx.GraphProto | onnx.TensorProto

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_LENGTH_DELIMITED = 2


def write_onnx(proto: onnx.ModelProto, weights: Mapping[bytes, LargeWeight], path: Path) -> None:
    """Write a model whose large weights are placeholders.

    Args:
        proto: The model; its initializers are removed from it.
        weights: The weight for each placeholder, by the bytes of the placeholder.
        path: File to create.
    """
    tensors = [_Tensor(tensor, weights.get(tensor.raw_data)) for tensor in proto.graph.initializer]
    del proto.graph.initializer[:]
    before, after = _split(proto.graph, _INITIALIZER)
    size = len(before) + sum(tensor.size for tensor in tensors) + len(after)
    first, last = _split(proto, _GRAPH)
    with path.open("wb") as stream:
        stream.write(first + _header(_GRAPH, size) + before)
        for tensor in tensors:
            tensor.write(stream)
        stream.write(after + last)


class _Tensor:
    """One initializer as a field of the graph."""

    def __init__(self, tensor: onnx.TensorProto, weight: LargeWeight | None) -> None:
        self._weight = weight
        self._bytes = _bytes(tensor) if weight else 0
        before, self._after = _split(tensor, _RAW_DATA) if weight else (_serialized(tensor), b"")
        before += _header(_RAW_DATA, self._bytes) if weight else b""
        length = len(before) + self._bytes + len(self._after)
        self._before = _header(_INITIALIZER, length) + before
        self.size = len(self._before) + self._bytes + len(self._after)

    def write(self, stream: BinaryIO) -> None:
        """Write it, little-endian as ONNX requires."""
        stream.write(self._before)
        if self._weight:
            array = np.ascontiguousarray(self._weight.read())
            if array.nbytes != self._bytes:
                raise ValueError(f"a weight has {array.nbytes} bytes, {self._bytes} were declared")
            stream.write(array.reshape(-1).view(np.uint8).data)
        stream.write(self._after)


def _bytes(tensor: onnx.TensorProto) -> int:
    dtype: np.dtype[Any] = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return dtype.itemsize * math.prod(int(size) for size in tensor.dims)


def _split(message: Message, number: int) -> tuple[bytes, bytes]:
    """The bytes of the fields below and above a number; the fields of that number are left out."""
    fields = message.DESCRIPTOR.fields
    return (
        _only(message, [field.name for field in fields if field.number < number]),
        _only(message, [field.name for field in fields if field.number > number]),
    )


def _only(message: Message, names: Iterable[str]) -> bytes:
    part = type(message)()
    part.CopyFrom(message)
    for field, _ in message.ListFields():
        if field.name not in names:
            part.ClearField(field.name)
    return _serialized(part)


def _serialized(message: Message) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


def _header(number: int, length: int) -> bytes:
    """The tag of a length-delimited field, and its length."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)
