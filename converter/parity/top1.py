"""Top-1 agreement: whether the artefact chooses the same class as the original."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import FLOATS, float_range

_ELEMENTS_AT_ONCE = 1 << 18
# Two classes this close, in eps of the dtype and relative to the larger, differ by rounding alone: a tie.
_TIE_EPS = 4


@dataclass(frozen=True)
class Top1:
    """Agreement on the most probable class.

    Attributes:
        rows: The distributions compared.
        agreeing: The sum of the rows' credits. A row's credit is the share of the actual's best classes that
            are best for the reference too: 0 or 1, unless classes of the actual are tied; then it is the
            probability that a random choice among them agrees with the reference.
    """

    rows: int
    agreeing: float

    @property
    def share(self) -> float:
        """Agreeing rows over rows, from 0 to 1."""
        return self.agreeing / self.rows


def top1(reference: NDArray[Any], actual: NDArray[Any]) -> Top1 | None:
    """Agreement of two outputs of one shape ``(batch, ..., classes)`` and dtype.

    Returns:
        None if the reference is not a distribution: it has no rows, one class, a dtype other than a float, a negative
        or non-finite value, or a row that does not sum to 1 within the precision of its dtype.
    """
    classes = reference.shape[-1] if reference.ndim >= 2 else 0
    if classes < 2 or reference.size == 0 or reference.dtype.name not in FLOATS:
        return None
    eps = float_range(reference.dtype.name).eps
    rows = reference.size // classes
    expected, came = reference.reshape(rows, classes), actual.reshape(rows, classes)
    agreeing = 0.0
    rows_at_once = max(1, _ELEMENTS_AT_ONCE // classes)
    for start in range(0, rows, rows_at_once):
        part = slice(start, start + rows_at_once)
        with np.errstate(all="ignore"):  # values that are not finite are no distribution, or earn no credit
            if not _are_distributions(expected[part].astype(np.float64), eps):
                return None
            agreeing += _credit(expected[part].astype(np.float64), came[part].astype(np.float64), eps)
    return Top1(rows, agreeing)


def _are_distributions(rows: NDArray[np.float64], eps: float) -> bool:
    slack = max(1e-3, 4 * eps)
    # A NaN or an infinity fails one of the comparisons.
    return bool(np.all(rows >= 0) and np.all(np.abs(rows.sum(axis=1) - 1) <= slack))


def _credit(expected: NDArray[np.float64], came: NDArray[np.float64], eps: float) -> float:
    wanted, chosen = _best(expected, eps), _best(came, eps)
    # A row with a NaN has no best class, and earns no credit.
    return float(((wanted & chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)).sum())


def _best(rows: NDArray[np.float64], eps: float) -> NDArray[np.bool_]:
    top = rows.max(axis=1, keepdims=True)
    best: NDArray[np.bool_] = rows >= top - np.abs(top) * (_TIE_EPS * eps)
    return best
