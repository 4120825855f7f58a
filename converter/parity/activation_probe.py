"""Makes the inputs on which one activation alone is compared, with values that whole-model inputs never reach."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import FLOATS, FloatRange, float_range, numpy_dtype

# Arguments of exp, before the scale, at which implementations change: 18, where onnxruntime clamps
# its sigmoid; 88, past which exp overflows float32; 104, past which exp(-x) is 0 even as a float32 denormal;
# 709 and 745, the same two for float64; 11 and 17 for float16.
_TURNS = (1.0, 11.0, 17.0, 18.0, 88.0, 104.0, 709.0, 745.0)
_DENSE_POINTS = 2001


def activation_inputs(scale: float, dtype: str, limit: float | None = None) -> NDArray[Any]:
    """Points at which to compare a function of ``scale * x``, ascending and distinct, -0.0 before 0.0.

    Both zeros; the dtype's denormals, first and last, and its least normal number; powers of two and ten over
    the whole range; 1, 18, 88, 104 and other turning points over ``scale``, each with its neighbours; a dense
    sweep to ``20 / scale`` and a coarser one to ``120 / scale``; all of it with both signs.

    Args:
        scale: The factor of x in the formula, such as alpha: positive and finite.
        dtype: float16, bfloat16, float32 or float64.
        limit: Largest ``|x|`` at which the original formula is finite in the dtype; it is among the points,
            rounded towards 0. None means the dtype's largest finite number.

    Returns:
        Shape ``(n,)``, of the dtype; some thousands of points, 21,000 in float64.

    Raises:
        ValueError: The dtype is not a float, or the scale or the limit is not positive and finite.
    """
    if dtype not in FLOATS:
        raise ValueError(f"an activation is not probed in {dtype}")
    if not 0 < scale < math.inf:
        raise ValueError(f"a scale of {scale} has no tails")
    if limit is not None and not limit > 0:
        raise ValueError(f"a limit of {limit} leaves no points")
    span = float_range(dtype)
    largest = span.largest if limit is None else min(limit, span.largest)
    with np.errstate(
        over="ignore", under="ignore"
    ):  # with a huge or a tiny scale, points that overflow are dropped
        positive = _cast_with_neighbours(_landmarks(scale, span, largest), dtype)
        swept = np.concatenate([positive, _sweep(scale).astype(numpy_dtype(dtype))])
    inside = swept[(swept > 0) & (swept.astype(np.float64) <= largest)]
    ascending = np.unique(inside)
    zero = np.zeros(1, ascending.dtype)
    return np.concatenate([-ascending[::-1], -zero, zero, ascending])


def where_denormals_matter(points: NDArray[Any], numbers: Iterable[float]) -> NDArray[np.bool_]:
    """The points at which a formula depends on whether denormals are flushed to zero.

    TensorFlow treats denormals as 0, onnxruntime does not, and no standard says which is right. It matters where a
    number of the formula is so large that its product with a denormal x exceeds a rounding error, or x is so large
    that its product with a denormal number does.

    Args:
        points: Values of x, of a float dtype.
        numbers: The constants of the formula.

    Returns:
        A mask of the points.
    """
    dtype = points.dtype.name
    # float16 is computed in float32, in which its denormals are normal numbers.
    normal, eps = float_range("float32" if dtype == "float16" else dtype).normal, float_range(dtype).eps
    magnitudes = [abs(number) for number in numbers]
    largest = max(magnitudes, default=0.0)
    denormal = max((number for number in magnitudes if number < normal), default=0.0)
    x = np.abs(points.astype(np.float64))
    return ((x < normal) & (x * largest > eps)) | (x * denormal > eps)


def _landmarks(scale: float, span: FloatRange, largest: float) -> NDArray[np.float64]:
    twos = np.ldexp(1.0, np.arange(math.frexp(span.denormal)[1] - 1, math.frexp(largest)[1]))
    tens = 10.0 ** np.arange(math.ceil(math.log10(span.denormal)), math.floor(math.log10(largest)) + 1)
    turns = np.array(_TURNS) / scale
    return np.concatenate([twos, tens, turns, [span.normal - span.denormal, span.normal, largest]])


def _cast_with_neighbours(points: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    cast = points.astype(numpy_dtype(dtype))
    up, down = np.full_like(cast, np.inf), np.full_like(cast, -np.inf)
    return np.concatenate([np.nextafter(cast, down), cast, np.nextafter(cast, up)])


def _sweep(scale: float) -> NDArray[np.float64]:
    near = np.linspace(0.0, 20.0, _DENSE_POINTS)
    far = np.linspace(20.0, 120.0, _DENSE_POINTS // 4)
    return np.concatenate([near, far]) / scale
