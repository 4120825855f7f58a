"""The datatypes of the Open Inference Protocol, and how numpy holds each.

BF16 has no numpy type of its own: its arrays are uint16 and hold the bit patterns. BYTES arrays are of objects,
each a ``bytes``; on the wire each element is its length (4 bytes, little-endian) followed by its data.
"""

import struct
import sys
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.errors import InvalidInputError

type Array = NDArray[Any]

BYTES: Final = "BYTES"
BF16: Final = "BF16"

DTYPES: Final[dict[str, np.dtype[Any]]] = {
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


def decode_bytes(raw: bytes | memoryview, count: int, tensor: str) -> Array:
    """Take a BYTES tensor apart.

    Args:
        raw: ``count`` elements, each a length and that many bytes.
        count: How many elements the shape promises.
        tensor: The tensor's name, for the error.

    Returns:
        A flat array of ``bytes`` objects.

    Raises:
        InvalidInputError: The data ends early, goes on after the last element, or has another count.
    """
    elements: list[bytes] = []
    view, at, end = memoryview(raw), 0, len(raw)
    while at + 4 <= end and len(elements) < count:
        (length,) = _LENGTH.unpack_from(view, at)
        at += 4
        if length > end - at:
            raise InvalidInputError(
                f"input '{tensor}': element {len(elements)} claims {length} bytes, and {end - at} are left"
            )
        elements.append(bytes(view[at : at + length]))
        at += length
    if at != end or len(elements) != count:
        raise InvalidInputError(
            f"input '{tensor}': its shape promises {count} elements, and the data holds "
            f"{len(elements)} and {end - at} bytes more"
        )
    return object_array(elements)


def encode_bytes(elements: Iterable[bytes]) -> bytes:
    """Put a BYTES tensor together; :func:`decode_bytes` takes it apart."""
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))


def object_array(elements: list[bytes]) -> Array:
    """A flat array whose entries are these very objects (numpy would otherwise cut trailing zero bytes)."""
    array = np.empty(len(elements), dtype=np.object_)
    array[:] = elements
    return array


def to_wire(array: Array, datatype: str) -> bytes:
    """The little-endian row-major bytes of a tensor, as ``raw_output_contents`` has them."""
    if datatype == BYTES:
        return encode_bytes(array.ravel().tolist())
    if sys.byteorder == "big":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()
