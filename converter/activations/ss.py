"""SS, the smooth sigmoid: x / (1 + |x|), which other libraries call softsign."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import Step
from converter.lambdas import Expression, as_rational, as_softsign


@dataclass(frozen=True)
class SS:
    """x / (1 + |x|), lowered to the built-in softsign."""

    key: ClassVar[str] = "ss"
    layer: ClassVar[str] = "SS"
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {
        "SSLayer": frozenset(),
        "SS": frozenset(),
        "SmoothSigmoid": frozenset(),
        "SmoothSigmoidLayer": frozenset(),
    }
    function_names: ClassVar[frozenset[str]] = frozenset({"smooth_sigmoid"})
    parameters: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """It has no parameters."""
        return cls(**numbers)

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:
        """Recognise x / (1 + |x|), or a softsign function of x."""
        if (1.0, 1.0) in {as_softsign(expression), as_rational(expression)}:
            return cls()
        return None

    @property
    def formula(self) -> str:
        """``x / (1 + |x|)``."""
        return "x / (1 + |x|)"

    @property
    def scale(self) -> float:
        """The curve bends at |x| = 1."""
        return 1.0

    def largest_input(self, dtype_max: float) -> float:
        """Finite for every x whose |x| + 1 is."""
        return dtype_max / 2

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """The formula is numerically stable everywhere."""
        return np.zeros(x.shape)

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64."""
        return x / (1.0 + np.abs(x))

    def arguments(self) -> dict[str, Any]:
        """None."""
        return {}

    def lower(self) -> tuple[Step, ...]:
        """The built-in softsign."""
        return (Step("Activation", {"activation": "softsign"}, "softsign"),)
