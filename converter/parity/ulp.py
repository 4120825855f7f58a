"""Distances counted in representable numbers (units in the last place)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_INTEGER_VIEW: Final[dict[str, np.dtype[Any]]] = {
    "float16": np.dtype(np.int16),
    "bfloat16": np.dtype(np.int16),
    "float32": np.dtype(np.int32),
    "float64": np.dtype(np.int64),
}


def integer_distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint64]:
    """``|first - second|`` of two int64 or two uint64 arrays, exact over the whole range."""
    a, b = first.view(np.uint64), second.view(np.uint64)
    with np.errstate(over="ignore"):  # modulo 2^64 the larger minus the smaller is right whatever the signs
        return np.where(first >= second, a - b, b - a)


def ulp_distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint64]:
    """The number of steps between adjacent numbers of the dtype from ``first`` to ``second``.

    The bits of a float, read as sign and magnitude, give its place on the number line: -0.0 and 0.0 share a
    place, denormals lie between 0 and the normal numbers, infinity is a step past the largest finite number.
    NaN has no place: it is 0 from NaN and ``2**bits - 1``, more than any distance, from everything else.

    Args:
        first: Any shape; float16, bfloat16, float32 or float64.
        second: The same shape and dtype.

    Raises:
        TypeError: The dtypes differ, or are none of these.
    """
    if first.dtype != second.dtype or first.dtype.name not in _INTEGER_VIEW:
        raise TypeError(f"no ULP distance between {first.dtype} and {second.dtype}")
    distance = integer_distance(_place(first), _place(second))
    with np.errstate(invalid="ignore"):  # bfloat16 warns about signalling NaNs
        one_nan = np.isnan(first) ^ np.isnan(second)
        both_nan = np.isnan(first) & np.isnan(second)
    never = np.uint64(2 ** (8 * first.dtype.itemsize) - 1)
    return np.where(both_nan, np.uint64(0), np.where(one_nan, never, distance))


def _place(values: NDArray[Any]) -> NDArray[np.int64]:
    """Map floats to integers in the same order; both zeros go to 0."""
    view = _INTEGER_VIEW[values.dtype.name]
    bits = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")).view(view).astype(np.int64)
    magnitude = bits & np.int64(np.iinfo(view).max)
    return np.where(bits < 0, -magnitude, magnitude).reshape(values.shape)
