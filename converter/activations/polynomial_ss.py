"""PolynomialSS, a smooth sigmoid by a polynomial: c0 + c1 x + c2 x^2 + ... on [-limit, limit]."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import Parameter, Step, plain
from converter.errors import UnsupportedError
from converter.lambdas import Expression

_MAX_TERMS = 32
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class PolynomialSS:
    """c0 + c1 x + c2 x^2 + ..., x first clamped to [-limit, limit].

    Lowered to a clip and Horner's rule: ((c3 x + c2) x + c1) x + c0.

    Raises:
        UnsupportedError: There are no coefficients or more than 32, the limit is not positive, or the
            polynomial leaves float32 within it.
    """

    coefficients: tuple[float, ...]
    limit: float

    key: ClassVar[str] = "polynomial_ss"
    layer: ClassVar[str] = "PolynomialSS"
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {
        "PolynomialSS": frozenset({"coefficients", "limit"})
    }
    function_names: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[tuple[str, ...]] = ("limit", *(f"c{power}" for power in range(_MAX_TERMS)))

    def __post_init__(self) -> None:
        if not isinstance(self.coefficients, tuple) or not 0 < len(self.coefficients) <= _MAX_TERMS:
            raise UnsupportedError(f"PolynomialSS takes a list of 1 to {_MAX_TERMS} coefficients")
        if isinstance(self.limit, tuple) or not self.limit > 0:
            raise UnsupportedError(f"PolynomialSS needs a limit above 0, not {self.limit}")
        if self._reach() > _FLOAT32_MAX:
            raise UnsupportedError(
                f"PolynomialSS leaves the range of float32 within its limit of {self.limit:g}"
            )

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """Make one from ``limit``, ``c0``, ``c1``, ...; a power that is not named has coefficient 0.

        Raises:
            UnsupportedError: No limit, or no coefficient, is among them.
        """
        if "limit" not in numbers:
            raise UnsupportedError("PolynomialSS needs its limit: limit=3,c0=0.5,c1=0.2")
        powers = [int(name[1:]) for name in numbers if name != "limit"]
        terms = tuple(numbers.get(f"c{power}", 0.0) for power in range(max(powers, default=-1) + 1))
        return cls(terms, numbers["limit"])

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:  # noqa: ARG003  part of the contract
        """None: no lambda that users write clamps its input."""
        return None

    @property
    def formula(self) -> str:
        """Such as ``0.5 + 0.2 x - 0.01 x^3, |x| <= 3``."""
        terms = [
            f"{'-' if term < 0 else '+'} {abs(term):g}{_power(power)}"
            for power, term in enumerate(self.coefficients)
            if term
        ]
        text = " ".join(terms or ["+ 0"])
        text = text[2:] if text.startswith("+") else f"-{text[2:]}"
        return f"{text}, |x| <= {self.limit:g}"

    @property
    def scale(self) -> float:
        """The curve ends at |x| = limit; float64 holds no 1 / limit of a denormal limit."""
        return min(1.0 / self.limit, sys.float_info.max)

    def largest_input(self, dtype_max: float) -> float:
        """Every finite x: it is clamped first."""
        return dtype_max

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """The formula is numerically stable everywhere."""
        return np.zeros(x.shape)

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64."""
        clamped = np.clip(x, -self.limit, self.limit)
        total = np.zeros_like(clamped)
        for term in reversed(self.coefficients):
            total = total * clamped + term
        return total

    def arguments(self) -> dict[str, Parameter | Any]:
        """``coefficients`` and ``limit``."""
        return {"coefficients": plain(self.coefficients), "limit": self.limit}

    def lower(self) -> tuple[Step, ...]:
        """A clip and Horner's rule."""
        return (Step("Polynomial", self.arguments(), "polynomial"),)

    def _reach(self) -> float:
        """An upper bound for the intermediate sums of Horner's rule."""
        reach = 0.0
        for term in reversed(self.coefficients):
            reach = reach * self.limit + abs(term)
        return reach


def _power(power: int) -> str:
    return "" if power == 0 else " x" if power == 1 else f" x^{power}"
