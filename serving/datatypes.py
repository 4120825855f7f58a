"""The datatypes of the Open Inference Protocol: their names, how numpy holds them, how strings are packed.

BF16 has no numpy type of its own: its arrays are uint16 and hold the bit patterns. BYTES arrays are of
objects; on the wire each element is its length (4 bytes, little-endian) followed by its data.
"""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BYTES: Final = "BYTES"
BF16: Final = "BF16"

NUMPY: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    BF16: np.dtype(np.uint16),
    BYTES: np.dtype(np.object_),
}
"""How numpy holds each datatype."""

_LENGTH = struct.Struct("<I")


def byte_size(datatype: str, count: int) -> int | None:
    """The bytes that ``count`` elements take on the wire; None for BYTES, whose elements differ.

    Raises:
        ValueError: There is no such datatype.
    """
    if datatype not in NUMPY:
        raise ValueError(f"the datatype '{datatype}' does not exist; there are {', '.join(NUMPY)}")
    return None if datatype == BYTES else count * NUMPY[datatype].itemsize


def pack_bytes(array: NDArray[Any]) -> bytes:
    """The wire form of an array of bytes or text (as UTF-8), row by row; :func:`unpack_bytes` reads it.

    Raises:
        ValueError: An element is neither.
    """
    parts: list[bytes] = []
    for at, element in enumerate(array.ravel().tolist()):
        data = element.encode() if isinstance(element, str) else element
        if not isinstance(data, bytes):
            raise ValueError(f"element {at} is of type {type(element).__name__}; BYTES holds bytes and text")  # noqa: TRY004  one error for bad data
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def unpack_bytes(data: bytes | memoryview, count: int) -> NDArray[np.object_]:
    """The elements of a BYTES tensor, flat.

    Args:
        data: ``count`` times a length and that many bytes, and nothing more.
        count: How many elements the shape promises.

    Raises:
        ValueError: The data does not hold exactly that.
    """
    view, at, end = memoryview(data), 0, len(data)
    if count * _LENGTH.size > end:
        raise ValueError(f"{end} bytes cannot hold {count} elements of at least {_LENGTH.size} bytes each")
    elements = np.empty(count, np.object_)
    for index in range(count):
        if at + _LENGTH.size > end:
            raise ValueError(f"the data ends before the length of element {index} of {count}")
        (length,) = _LENGTH.unpack_from(view, at)
        at += _LENGTH.size
        if length > end - at:
            raise ValueError(f"element {index} claims {length} bytes where {end - at} are left")
        elements[index] = bytes(view[at : at + length])
        at += length
    if at != end:
        raise ValueError(f"{end - at} bytes are left after the last of {count} elements")
    return elements


def bf16_to_float32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Widen bfloat16, which is the upper half of a float32; exact."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def float32_to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Narrow to the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(values), quiet, rounded)
