"""The parity metrics of one output: its errors, and whether they are within the tolerance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from converter.parity.error_histogram import ErrorHistogram
from converter.parity.tolerance import Tolerance
from converter.parity.top1 import Top1

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class WorstElement:
    """The element that needs the widest tolerance.

    Attributes:
        probe: The probe for which it was computed.
        index: Its index in that output.
        reference: The original's value.
        actual: The artefact's value.
        absolute_error: ``|actual - reference|``; infinite if just one of them is finite, or one is NaN.
        factor: The least ``k`` with which ``k * atol, k * rtol`` would let it pass.
    """

    probe: str
    index: tuple[int, ...]
    reference: float
    actual: float
    absolute_error: float
    factor: float

    def to_json(self) -> dict[str, Json]:
        """The fields as JSON; a number that is not finite becomes a string such as ``"inf"``."""
        return {
            "probe": self.probe,
            "index": list(self.index),
            "reference": _plain(self.reference),
            "actual": _plain(self.actual),
            "absolute_error": _plain(self.absolute_error),
            "factor": _plain(self.factor),
        }


@dataclass(frozen=True)
class Comparison:
    """The result of ``compare``. With a mismatch no elements are compared, and every error is infinite.

    Attributes:
        tolerance: The tolerance applied.
        dtype: The reference's dtype.
        elements: How many elements were compared.
        failing: How many of them are outside the tolerance.
        max_absolute: Largest ``|d|``; infinite where only one of two values is finite, or they differ and are not.
        mean_absolute: Mean ``|d|``.
        max_relative: Largest ``|d| / |reference|``. Elements whose reference is 0 have no relative error
            and are left out.
        max_ulp: Largest distance in representable numbers of the dtype; None for integers and bool, and where
            there is a mismatch.
        least_factor: The least ``k`` with which ``k * atol, k * rtol`` would pass; infinite if none would.
        least_atol: The least atol that would pass beside the rtol as it is.
        errors: All absolute errors, counted.
        top1: Agreement on the most probable class; None unless the reference is a distribution.
        worst: The element that needs the widest tolerance; None if all are equal.
        mismatch: Why the two could not be compared; empty if they could.
        rounding: The rounding of the original, in tolerances, where the artefact was measured by it; else 1. See
            ``reference_rounding.py``.
    """

    tolerance: Tolerance
    dtype: str
    elements: int
    failing: int
    max_absolute: float
    mean_absolute: float
    max_relative: float
    max_ulp: int | None
    least_factor: float
    least_atol: float
    errors: ErrorHistogram = field(repr=False)
    top1: Top1 | None = None
    worst: WorstElement | None = None
    mismatch: str = ""
    rounding: float = 1.0

    @property
    def passed(self) -> bool:
        """True if both have one shape and dtype and every element is within the tolerance."""
        return not self.mismatch and self.failing == 0

    @property
    def p99_absolute(self) -> float:
        """The ``|d|`` that 99 percent of the elements do not exceed, rounded up by less than 0.8 percent."""
        return min(self.errors.percentile(99), self.max_absolute)

    def to_json(self) -> dict[str, Json]:
        """All metrics as JSON; a number that is not finite becomes a string such as ``"inf"``."""
        return {
            "within_tolerance": self.passed,
            "mismatch": self.mismatch or None,
            "dtype": self.dtype,
            "atol": self.tolerance.atol,
            "rtol": self.tolerance.rtol,
            "elements": self.elements,
            "failing": self.failing,
            "max_absolute_error": _plain(self.max_absolute),
            "mean_absolute_error": _plain(self.mean_absolute),
            "p99_absolute_error": _plain(self.p99_absolute),
            "max_relative_error": _plain(self.max_relative),
            "max_ulp": self.max_ulp,
            "top1_agreement": None if self.top1 is None else self.top1.share,
            "least_factor": _plain(self.least_factor),
            "least_atol": _plain(self.least_atol),
            "own_rounding": self.rounding,
            "worst": None if self.worst is None else self.worst.to_json(),
        }


def incomparable(tolerance: Tolerance, dtype: str, why: str) -> Comparison:
    """The result for an output whose shape or dtype differs from that of the original."""
    return Comparison(
        tolerance=tolerance,
        dtype=dtype,
        elements=0,
        failing=0,
        max_absolute=math.inf,
        mean_absolute=math.inf,
        max_relative=math.inf,
        max_ulp=None,
        least_factor=math.inf,
        least_atol=math.inf,
        errors=ErrorHistogram(),
        mismatch=why,
    )


def merge(comparisons: Sequence[Comparison]) -> Comparison:
    """Merge the comparisons of one output over several probes, as if the outputs were one array.

    The index of the worst element is that in its own probe. One mismatch makes the whole a mismatch.

    Raises:
        ValueError: There are none, or their tolerances or dtypes differ.
    """
    if len({(one.tolerance, one.dtype) for one in comparisons}) != 1:
        raise ValueError("merge needs at least one comparison, all of one tolerance and dtype")
    first = comparisons[0]
    mismatches = [one.mismatch for one in comparisons if one.mismatch]
    if mismatches:
        return incomparable(first.tolerance, first.dtype, mismatches[0])
    elements = sum(one.elements for one in comparisons)
    shares = (one.mean_absolute * (one.elements / elements) for one in comparisons if one.elements)
    ulps = [one.max_ulp for one in comparisons if one.max_ulp is not None]
    return replace(
        first,
        elements=elements,
        failing=sum(one.failing for one in comparisons),
        max_absolute=max(one.max_absolute for one in comparisons),
        mean_absolute=math.fsum(shares),
        max_relative=max(one.max_relative for one in comparisons),
        max_ulp=max(ulps, default=None),
        least_factor=max(one.least_factor for one in comparisons),
        least_atol=max(one.least_atol for one in comparisons),
        rounding=max(one.rounding for one in comparisons),
        errors=ErrorHistogram.total(one.errors for one in comparisons),
        top1=_merged_top1([one for one in comparisons if one.elements]),
        worst=max(
            (one.worst for one in comparisons if one.worst is not None),
            key=lambda worst: (worst.factor, worst.absolute_error),
            default=None,
        ),
    )


def _merged_top1(comparisons: list[Comparison]) -> Top1 | None:
    parts = [one.top1 for one in comparisons if one.top1 is not None]
    if not parts or len(parts) < len(comparisons):  # if one part is not a distribution, neither is the whole
        return None
    return Top1(sum(part.rows for part in parts), math.fsum(part.agreeing for part in parts))


def _plain(number: float) -> Json:
    return number if math.isfinite(number) else str(number)
