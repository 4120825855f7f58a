"""Reads an ONNX file without the bytes of its weights.

``onnx.load`` holds the bytes of the file and the parsed message at once: twice the weights. Here the file is read
field by field, and the ``raw_data`` of large initializers is skipped.

    ModelProto (graph = 7) -> GraphProto (initializer = 5) -> TensorProto (raw_data = 9)
"""

import io
import os
from pathlib import Path
from typing import BinaryIO

import onnx

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
_LARGE = 4096  # computed shapes and other small constants stay: the checker reads them
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def outline(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file, leaving out the bytes of initializers that are larger than 4 KiB.

    Raises:
        ValueError: It is not a protobuf message.
        google.protobuf.message.DecodeError: It is not a message of ONNX.
    """
    with path.open("rb") as file:
        data = _copied(file, os.fstat(file.fileno()).st_size, (_GRAPH, _INITIALIZER, _RAW_DATA))
    return onnx.ModelProto.FromString(data)


def _copied(file: BinaryIO, end: int, path: tuple[int, ...]) -> bytes:
    """Copy a message from here to ``end``, without the large fields at the end of ``path``."""
    kept = io.BytesIO()
    while file.tell() < end:
        key = _varint(file)
        field, wire = key >> 3, key & 7
        length = _length(file, wire)
        if length is None:
            _write_varint(kept, key)
            _write_varint(kept, _varint(file))
            continue
        if file.tell() + length > end:
            raise ValueError("a field ends past the message that holds it")
        if field == path[0] and wire == _BYTES:
            if len(path) == 1 and length > _LARGE:
                file.seek(length, os.SEEK_CUR)
                continue
            body = _copied(file, file.tell() + length, path[1:]) if len(path) > 1 else file.read(length)
        else:
            body = file.read(length)
        _write_varint(kept, key)
        if wire == _BYTES:
            _write_varint(kept, len(body))
        kept.write(body)
    return kept.getvalue()


def _length(file: BinaryIO, wire: int) -> int | None:
    """The length of the value of a field; None for a varint, which ends by itself."""
    if wire == _BYTES:
        return _varint(file)
    if wire not in {_VARINT, _FIXED64, _FIXED32}:
        raise ValueError(f"wire type {wire} is none of protobuf's")
    return {_VARINT: None, _FIXED64: 8, _FIXED32: 4}[wire]


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while shift < 70:
        byte = file.read(1)
        if not byte:
            raise ValueError("the file ends within a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
    raise ValueError("a number has more than 64 bits")


def _write_varint(out: BinaryIO, value: int) -> None:
    while value > 0x7F:
        out.write(bytes([value & 0x7F | 0x80]))
        value >>= 7
    out.write(bytes([value]))
