"""Estimates how far rounding may change the result of a formula, point by point.

Runtimes round differently: another order of operations, fused multiply-add, wider intermediate types, denormals
flushed to 0, an exponential that saturates at the largest number where another gives infinity. At points where that
determines the result (the sine of 1e20, the logarithm of a denormal, a sum that overflows, a step exactly at x), two
correct runtimes may differ, and their results cannot be compared.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import FloatRange, float_range
from converter.lambdas import Expression, compute

Functions = Mapping[str, Callable[..., Any]]
_Change = Callable[[NDArray[np.float64], int], NDArray[np.float64]]

_ROOM = 4.0  # a result within this factor of the largest number may overflow in another order of operations


def uncertainty(written: Expression, x: NDArray[Any], functions: Functions) -> NDArray[np.float64]:
    """The largest change of the result if x and all operations round up, down, or alternately, or over- or underflow.

    Args:
        written: An expression that ``operations`` returned.
        x: Points in the dtype of the computation.
        functions: The operations in float64.

    Returns:
        The change for each point; infinite if the result becomes NaN.
    """
    span, wide = float_range(x.dtype.name), x.astype(np.float64)
    with np.errstate(all="ignore"):
        exact = np.asarray(compute(written, wide, functions), np.float64)
        largest = np.zeros(x.shape)
        for change in _changes(span):
            changed = compute(written, change(wide, 0), _changed(functions, change))
            distance = np.abs(np.asarray(changed, np.float64) - exact)
            same = (changed == exact) | (np.isnan(changed) & np.isnan(exact))
            distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
            largest = np.maximum(largest, distance)
    return largest


def _changes(span: FloatRange) -> Iterator[_Change]:
    """The changes that may happen to the result of operation number n; number 0 is x, rounded by another layer."""
    for signs in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        yield _rounding(span.eps, signs)
    yield lambda value, _: np.where(np.abs(value) < span.normal, 0.0, value)
    largest = span.largest / _ROOM
    yield lambda value, _: np.where(np.abs(value) > largest, np.sign(value) * np.inf, value)
    yield lambda value, _: np.clip(value, -largest, largest)


def _rounding(eps: float, signs: tuple[int, int]) -> _Change:
    return lambda value, number: value * (1.0 + eps * signs[number % 2])


def _changed(functions: Functions, change: _Change) -> Functions:
    count = [0]

    def changing(function: Callable[..., Any]) -> Callable[..., Any]:
        def compute_and_change(*arguments: Any) -> Any:  # noqa: ANN401  arrays
            made = function(*arguments)
            count[0] += 1
            return made if np.asarray(made).dtype == bool else change(made, count[0])

        return compute_and_change

    return {name: changing(function) for name, function in functions.items()}
