"""The bytes of a tensor on the wire: little-endian, row by row."""

from collections.abc import Sequence

import numpy as np

from serving.datatypes import BYTES, pack_bytes
from serving.runtimes.runtime import Array, TensorSpec


def wire_form(array: Array, datatype: str) -> bytes:
    """The little-endian row-major bytes of a tensor."""
    view = wire_view(array, datatype)
    return view if isinstance(view, bytes) else view.tobytes()


def wire_view(array: Array, datatype: str) -> bytes | memoryview:
    """The same, as a view without a copy where that is possible."""
    if datatype == BYTES:
        return pack_bytes(array)
    if array.dtype.str[0] == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array).data


def wire_views(specs: Sequence[TensorSpec], arrays: Sequence[Array]) -> list[bytes | memoryview]:
    """The same, of several outputs."""
    return [wire_view(array, spec.datatype) for array, spec in zip(arrays, specs, strict=True)]
