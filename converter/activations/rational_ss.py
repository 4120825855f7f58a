"""RationalSS: a * x / (1 + b * |x|)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import (
    Parameter,
    Step,
    largest_magnitude,
    plain,
    rescaling,
    show,
    smallest,
)
from converter.errors import UnsupportedError
from converter.lambdas import Expression, as_rational, as_softsign

# b and a/b are split off as factors only where float16 holds them and their products comfortably.
HARMLESS = (2.0**-10, 2.0**10)


@dataclass(frozen=True)
class RationalSS:
    """a * x / (1 + b * |x|) = (a / b) * softsign(b * x) for b > 0, and a * x for b = 0.

    Raises:
        UnsupportedError: b < 0, which puts a pole at |x| = 1 / |b|.
    """

    a: Parameter = 1.0
    b: Parameter = 1.0

    key: ClassVar[str] = "rational_ss"
    layer: ClassVar[str] = "RationalSS"
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {
        "RationalSSLayer": frozenset({"a", "b"}),
        "RationalSS": frozenset({"a", "b"}),
    }
    function_names: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[tuple[str, ...]] = ("a", "b")

    def __post_init__(self) -> None:
        least = smallest(self.b)
        if least < 0:
            raise UnsupportedError(
                f"RationalSS with b = {least:g} divides by zero at |x| = {-1 / least:g}",
                hint="A negative b has no safe rewriting; retrain with b >= 0.",
            )

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """``a`` and ``b``, 1 where not given."""
        return cls(**numbers)

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:
        """Recognise k * x / (c + d * |x|), or k * softsign(b * x)."""
        found = as_rational(expression) or as_softsign(expression)
        return None if found is None else cls(*found)

    @property
    def formula(self) -> str:
        """Such as ``1.5 x / (1 + 0.8 |x|)``."""
        return f"{show(self.a)} x / (1 + {show(self.b)} |x|)"

    @property
    def scale(self) -> float:
        """The largest b, or 1 where the function is a * x."""
        return largest_magnitude(self.b) or 1.0

    def largest_input(self, dtype_max: float) -> float:
        """Finite while a * x and 1 + b * |x| are."""
        return dtype_max / 2 / max(1.0, largest_magnitude(self.a), largest_magnitude(self.b))

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """The formula is numerically stable everywhere."""
        return np.zeros(x.shape)

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64."""
        return np.asarray(self.a) * x / (1.0 + np.asarray(self.b) * np.abs(x))

    def arguments(self) -> dict[str, Any]:
        """``a`` and ``b``."""
        return {"a": plain(self.a), "b": plain(self.b)}

    def lower(self) -> tuple[Step, ...]:
        """Rescaling(b) -> softsign -> Rescaling(a / b), without the factors that are 1.

        b = 0 gives Rescaling(a). Where the split could overflow or lose digits (b or a / b beyond
        2^-10 .. 2^10, or a channel with b = 0), the quotient is kept as it is written.
        """
        if self.b == 0.0:
            return (rescaling(self.a, "scale"),)
        if not self._splits():
            return (Step("Quotient", self.arguments(), "quotient"),)
        outer = np.asarray(self.a) / np.asarray(self.b)
        steps = [Step("Activation", {"activation": "softsign"}, "softsign")]
        if self.b != 1.0:
            steps.insert(0, rescaling(self.b, "scale"))
        if np.any(outer != 1.0):
            steps.append(rescaling(tuple(outer.tolist()) if outer.ndim else float(outer), "gain"))
        return tuple(steps)

    def _splits(self) -> bool:
        low, high = HARMLESS
        b = np.asarray(self.b)
        if np.any(b < low) or np.any(b > high):
            return False
        with np.errstate(over="ignore"):
            gain = np.abs(np.asarray(self.a)) / b
        return not (np.any(gain > high) or np.any((gain < low) & (gain != 0)))
