"""The dtypes that parity can measure: their numpy dtypes and their ranges."""

from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np

FLOATS: Final = frozenset({"float16", "bfloat16", "float32", "float64"})
INTEGERS: Final = frozenset(
    {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"},
)
MEASURABLE: Final = FLOATS | INTEGERS | {"bool"}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a name in ``MEASURABLE``, in this machine's byte order.

    Raises:
        KeyError: The name is not in ``MEASURABLE``.
    """
    if name not in MEASURABLE:
        raise KeyError(name)
    # ml_dtypes provides bfloat16, which numpy lacks.
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


@dataclass(frozen=True)
class FloatRange:
    """The range of a float dtype.

    Attributes:
        eps: The step from 1 to the next number.
        largest: The largest finite number.
        normal: The least positive normal number.
        denormal: The least positive number, a denormal.
    """

    eps: float
    largest: float
    normal: float
    denormal: float


def float_range(name: str) -> FloatRange:
    """The range of one of ``FLOATS``."""
    info = ml_dtypes.finfo(numpy_dtype(name))  # type: ignore[no-untyped-call]
    return FloatRange(
        eps=float(info.eps),
        largest=float(info.max),
        normal=float(info.smallest_normal),
        denormal=float(info.smallest_subnormal),
    )


def largest_exact_integer(name: str) -> int:
    """The largest n such that the dtype holds every integer from 0 to n: 2^24 for float32."""
    if name == "bool":
        return 1
    if name in FLOATS:
        return int(2 / float_range(name).eps)
    return int(np.iinfo(numpy_dtype(name)).max)
