"""Compares two arrays and measures their differences, a slice at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import FLOATS, MEASURABLE
from converter.errors import UnsupportedError
from converter.parity.error_histogram import ErrorHistogram
from converter.parity.metrics import Comparison, WorstElement, incomparable, merge
from converter.parity.tolerance import Tolerance
from converter.parity.top1 import top1
from converter.parity.ulp import integer_distance, ulp_distance

__all__ = ["Comparison", "compare", "merge"]

# Temporaries are float64: some 2 MB each for a slice of this many elements, however large the output.
_SLICE = 1 << 18
# least_factor is rounded up by this, so that the tolerance it leads to passes in spite of its own rounding.
_ROUND_UP = 1 + 2.0**-50


def compare(
    reference: NDArray[Any],
    actual: NDArray[Any],
    tolerance: Tolerance,
    *,
    probe: str = "",
) -> Comparison:
    """Compare an output of an artefact with that of the original, element by element, in float64.

    An element passes if ``|d| <= atol`` or ``|d| <= rtol * |reference|``, or if both are NaN or both the same
    infinity. Integers are subtracted exactly. An empty array passes, with 0 elements.

    Args:
        reference: The output of the original; bool, an integer or a float dtype, bfloat16 included.
        actual: The output of the artefact. Another shape or dtype fails, with a reason in ``mismatch``.
        tolerance: Absolute and relative tolerance.
        probe: Name of the probe, kept with the worst element.

    Raises:
        UnsupportedError: The reference has a dtype that cannot be compared, such as strings.
    """
    dtype = reference.dtype.name
    if dtype not in MEASURABLE:
        raise UnsupportedError(
            f"outputs of dtype {dtype} cannot be compared",
            hint="Cast the output to float32 in the model, or convert with --no-parity.",
        )
    if actual.dtype.name != dtype:
        return incomparable(tolerance, dtype, f"dtype {actual.dtype.name} came, {dtype} was expected")
    if actual.shape != reference.shape:
        return incomparable(tolerance, dtype, f"shape {actual.shape} came, {reference.shape} was expected")
    expected, came = _native(reference), _native(actual)
    whole = merge(
        [
            _compare_slice(expected.ravel(), came.ravel(), start, tolerance)
            for start in range(0, max(reference.size, 1), _SLICE)
        ],
    )
    return replace(
        whole,
        top1=top1(expected, came),
        worst=None if whole.worst is None else _located(whole.worst, reference.shape, probe),
    )


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _located(worst: WorstElement, shape: tuple[int, ...], probe: str) -> WorstElement:
    index = np.unravel_index(worst.index[0], shape)
    return replace(worst, probe=probe, index=tuple(int(position) for position in index))


def _compare_slice(
    whole_reference: NDArray[Any],
    whole_actual: NDArray[Any],
    start: int,
    tolerance: Tolerance,
) -> Comparison:
    reference = whole_reference[start : start + _SLICE]
    actual = whole_actual[start : start + _SLICE]
    is_float = reference.dtype.name in FLOATS
    with np.errstate(all="ignore"):  # overflow and NaN are handled below
        error = _float_errors(reference, actual) if is_float else _integer_errors(reference, actual)
        magnitude = np.abs(reference.astype(np.float64))
        relative_bound = np.where(np.isfinite(error), tolerance.rtol * magnitude, 0.0)
        bound = np.maximum(tolerance.atol, relative_bound)
        factor = np.where(error == 0, 0.0, error / bound)
        relative = np.where(magnitude == 0, 0.0, error / magnitude)
        relative[error == 0] = 0.0
        relative[np.isinf(error)] = np.inf
    return Comparison(
        tolerance=tolerance,
        dtype=reference.dtype.name,
        elements=error.size,
        failing=int(np.count_nonzero(error > bound)),
        max_absolute=float(error.max(initial=0.0)),
        mean_absolute=float(error.mean()) if error.size else 0.0,
        max_relative=float(relative.max(initial=0.0)),
        max_ulp=int(ulp_distance(reference, actual).max(initial=0)) if is_float else None,
        least_factor=float(factor.max(initial=0.0)) * _ROUND_UP,
        least_atol=float(error[error > relative_bound].max(initial=0.0)),
        errors=ErrorHistogram.of(error),
        worst=_worst(reference, actual, start, error, factor),
    )


def _float_errors(reference: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.float64]:
    """``|actual - reference|``: 0 for NaN in both, infinite for NaN or an infinity in one."""
    wide, wide_actual = reference.astype(np.float64), actual.astype(np.float64)
    same = (wide == wide_actual) | (np.isnan(wide) & np.isnan(wide_actual))
    error = np.where(same, 0.0, np.abs(wide_actual - wide))
    error[np.isnan(error)] = np.inf
    return error


def _integer_errors(reference: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.uint64 if reference.dtype == np.uint64 else np.int64
    return integer_distance(reference.astype(wide), actual.astype(wide)).astype(np.float64)


def _worst(
    reference: NDArray[Any],
    actual: NDArray[Any],
    start: int,
    error: NDArray[np.float64],
    factor: NDArray[np.float64],
) -> WorstElement | None:
    if not error.any():
        return None
    candidates = np.flatnonzero(factor == factor.max())
    place = int(candidates[error[candidates].argmax()])
    return WorstElement(
        probe="",
        index=(start + place,),
        reference=reference[place].item(),
        actual=actual[place].item(),
        absolute_error=float(error[place]),
        factor=float(factor[place]) * _ROUND_UP,
    )
