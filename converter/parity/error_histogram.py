"""Histograms of errors, from which quantiles over many probes are computed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A bucket is the upper bits of a float64: sign, exponent and 7 bits of mantissa, each less than 1/128 wide.
_DROPPED_BITS = 52 - 7


@dataclass(frozen=True)
class ErrorHistogram:
    """How many errors fell into each bucket; buckets are under 0.8 percent wide, zero has its own.

    The quantile of the whole cannot be computed from quantiles of parts; it can from counts.

    Attributes:
        counts: Pairs of bucket and count, ascending.
    """

    counts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, errors: NDArray[np.float64]) -> "ErrorHistogram":
        """Count errors of any shape; they are not negative and not NaN, and may be infinite."""
        bits = np.ascontiguousarray(errors).view(np.int64)
        rounded_up = (bits + ((1 << _DROPPED_BITS) - 1)) >> _DROPPED_BITS
        buckets, counts = np.unique(rounded_up, return_counts=True)
        return cls(tuple(zip(buckets.tolist(), counts.tolist(), strict=True)))

    @classmethod
    def total(cls, parts: Iterable["ErrorHistogram"]) -> "ErrorHistogram":
        """The histogram of all the parts' errors together."""
        total: Counter[int] = Counter()
        for part in parts:
            total.update(dict(part.counts))
        return cls(tuple(sorted(total.items())))

    def percentile(self, percent: int) -> float:
        """The least error that ``percent`` of them do not exceed, rounded up to a bucket; 0 if empty."""
        needed = -(-percent * sum(count for _, count in self.counts) // 100)
        for bucket, count in self.counts:
            needed -= count
            if needed <= 0:
                return float(np.int64(bucket << _DROPPED_BITS).view(np.float64))
        return 0.0
