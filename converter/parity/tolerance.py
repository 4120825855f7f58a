"""The tolerance of one output, with the defaults for each dtype."""

import math
from dataclasses import dataclass

from converter.dtypes import INTEGERS
from converter.errors import UnsupportedError, UsageError


@dataclass(frozen=True)
class Tolerance:
    """An element passes if ``|d| <= atol`` or ``|d| <= rtol * |reference|``.

    Attributes:
        atol: Absolute tolerance, finite and not negative.
        rtol: Relative tolerance, finite and not negative.

    Raises:
        UsageError: One of them is negative, infinite or NaN.
    """

    atol: float
    rtol: float

    def __post_init__(self) -> None:
        for option, value in (("--atol", self.atol), ("--rtol", self.rtol)):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(
                    f"a tolerance of {value} means nothing",
                    where=option,
                    hint="Give a finite number that is not negative, such as 1e-5.",
                )


_EXACT = Tolerance(0.0, 0.0)

# Two kernels for one formula differ by rounding, so the defaults are justified in eps, the step from 1 to
# the next number of the dtype.
_DEFAULTS = {
    # eps 1.2e-7. 84 eps and 839 eps: room for another order of summation over some thousands of terms and for
    # onnxruntime's approximation of the sigmoid; a wrong constant or a missing layer is far outside.
    "float32": Tolerance(1e-5, 1e-4),
    # eps 2.2e-16. 4,500 eps and 45,000 eps: generous in eps, and still 10^7 times tighter than float32.
    "float64": Tolerance(1e-12, 1e-11),
    # eps 9.8e-4. One runtime rounds after each operator, another computes in float32 and rounds at the end.
    # 2 eps and 10 eps hold a few such roundings; the 839 eps of float32 would be 82 percent, no proof.
    "float16": Tolerance(2e-3, 1e-2),
    # eps 7.8e-3, with the same reasoning: 2 eps and 10 eps.
    "bfloat16": Tolerance(1.6e-2, 8e-2),
}


def default_tolerance(dtype: str) -> Tolerance:
    """The tolerance for outputs that were computed in ``dtype``; integers and bool are exact.

    Under a mixed policy, pass the narrow dtype in which layers compute, not the wider one of the outputs.

    Raises:
        UnsupportedError: Outputs of this dtype cannot be compared.
    """
    if dtype in INTEGERS or dtype == "bool":
        return _EXACT
    try:
        return _DEFAULTS[dtype]
    except KeyError:
        raise UnsupportedError(
            f"outputs of dtype {dtype} cannot be compared",
            hint="Cast the output to float32 in the model, or convert with --no-parity.",
        ) from None
