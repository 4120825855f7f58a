"""Compares with the rounding of the original where that is larger than the tolerance.

A normalisation of an image that is almost constant divides the rounding error of a mean by a number near 0. There
the float32 output of the original is itself further from the exact one than the tolerance, and no artefact can be
expected to round in the same way. So where an output fails, both are measured against the original in float64, in
multiples of the tolerance:

    |original32 - original64|  <=  u tolerances, and u > 1
    |artefact   - original64|  <=  u tolerances          the artefact is no further from it than the original

If the original is within the tolerance of float64 (u <= 1), the failure stands. Each row is judged by itself: that
one input is unstable does not excuse another.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.parity.array_comparison import Comparison, compare

Array = NDArray[Any]


def held_to_rounding(found: Comparison, expected: Array, came: Array, exact: Array) -> Comparison:
    """Judge a failed comparison by the rounding of the original.

    Args:
        found: The artefact against the original, in float32.
        expected: The output of the original.
        came: The output of the artefact.
        exact: The output of the original in float64.

    Returns:
        ``found``; without its failures, and with ``rounding`` set to u, if the artefact is no further from the
        exact output than the original is.
    """
    if found.mismatch or exact.shape != expected.shape or not expected.ndim:
        return found
    with np.errstate(over="ignore"):
        rounded = exact.astype(expected.dtype)
    largest = 1.0
    for row in range(len(expected)):
        here = slice(row, row + 1)
        if compare(expected[here], came[here], found.tolerance).passed:
            continue
        own = compare(rounded[here], expected[here], found.tolerance).least_factor
        if not 1 < own < math.inf or compare(rounded[here], came[here], found.tolerance).least_factor > own:
            return found
        largest = max(largest, own)
    return replace(found, failing=0, rounding=largest)
