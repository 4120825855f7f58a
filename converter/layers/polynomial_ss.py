"""PolynomialSS, a smooth sigmoid by a polynomial: c0 + c1 x + c2 x^2 + ... on [-limit, limit]."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from converter.layers.elementwise import Elementwise
from converter.layers.parameter import as_config, checked
from converter.layers.precision import Tensor, in_wide_precision
from converter.layers.registration import registered


@registered
def polynomial_ss(x: Tensor, coefficients: ArrayLike, limit: float) -> Tensor:
    """Return ``c0 + c1 x + c2 x^2 + ...`` with x first clamped to ``[-limit, limit]``.

    Evaluated by Horner's rule, in float32 for 16-bit tensors. Outside the limit the value is that of the
    nearer end and the gradient 0; exactly at the limit the gradient is what the backend says of a clip.

    Args:
        x: Any shape, any floating dtype.
        coefficients: c0, c1, ...: at least one, lowest power first.
        limit: Above 0. Polynomials run away where they were not fitted; this is where.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        TypeError: A coefficient or the limit is not a real number.
        ValueError: One is not finite, the limit is not above 0, or the polynomial leaves float32 within it.
    """
    terms, bound = _checked_polynomial(coefficients, limit)

    def formula(wide: Tensor) -> Tensor:
        clamped = ops.clip(wide, -bound, bound)
        total = ops.zeros_like(clamped)
        for coefficient in reversed(terms.tolist()):
            total = total * clamped + coefficient
        return total

    return in_wide_precision(formula, x)


@registered
class PolynomialSS(Elementwise):
    """The layer ``y = c0 + c1 x + c2 x^2 + ...``, x clamped; shapes, masks and dtypes as `Elementwise` says.

    Args:
        coefficients: c0, c1, ...: at least one, lowest power first.
        limit: x is clamped to ``[-limit, limit]``.
        **kwargs: As of any Keras layer.

    Raises:
        TypeError: A coefficient or the limit is not a real number.
        ValueError: One is not finite, the limit is not above 0, or the polynomial leaves float32 within it.
    """

    def __init__(self, coefficients: ArrayLike, limit: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.coefficients, self.limit = _checked_polynomial(coefficients, limit)

    def activate(self, x: Tensor) -> Tensor:
        """Return the polynomial of the clamped ``x``."""
        return polynomial_ss(x, self.coefficients, self.limit)

    def get_config(self) -> dict[str, Any]:
        """Return the coefficients as a list, and the limit."""
        return {**super().get_config(), "coefficients": as_config(self.coefficients), "limit": self.limit}


def _checked_polynomial(coefficients: ArrayLike, limit: float) -> tuple[NDArray[np.float64], float]:
    terms = checked(coefficients, "coefficients")
    if terms.ndim != 1:
        raise ValueError(f"coefficients must be a flat list c0, c1, ..., not of shape {terms.shape}")
    bound = checked(limit, "limit")
    if bound.ndim or not bound > 0:
        raise ValueError(f"limit must be one number above 0, not {limit!r}")
    reach = 0.0
    for term in reversed(np.abs(terms).tolist()):  # what no intermediate sum of Horner's rule exceeds
        reach = reach * float(bound) + term
        if reach > float(np.finfo(np.float32).max):
            raise ValueError(f"the polynomial leaves the range of float32 within limit = {limit!r}; lower it")
    return terms, float(bound)
