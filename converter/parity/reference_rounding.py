"""The original's own rounding, as the measure where it is larger than the tolerance.

A normalisation of an image that is almost flat divides by next to nothing, and what it divides is the rounding
of a mean. There the original's float32 answer is itself further from the exact one than the tolerance, and no
artefact can be expected to round as it did. So in an answer that misses, both are measured against the original
in float64, in multiples of the tolerance:

    |original32 - original64|  <=  u tolerances, and u > 1
    |artefact   - original64|  <=  u tolerances                the artefact is no further off than the original is

An answer of the original that is within the tolerance of float64 (u <= 1) is no excuse. Each row is judged by
itself: that one input is unstable says nothing of another.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.parity.array_comparison import Comparison, compare

Array = NDArray[Any]


def held_to_rounding(found: Comparison, expected: Array, came: Array, exact: Array) -> Comparison:
    """A comparison that misses, judged by the original's own rounding.

    Args:
        found: The artefact against the original, in float32.
        expected: The original's answer.
        came: The artefact's.
        exact: The original's in float64.

    Returns:
        ``found``; without its failures, and with ``rounding`` set to u, if the artefact is no further from the
        exact answer than the original is.
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
