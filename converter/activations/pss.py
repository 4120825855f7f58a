"""PSS, the parametric sigmoid: sigmoid(alpha * x)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import Parameter, Step, largest_magnitude, plain, rescaling, show
from converter.lambdas import Expression, as_sigmoid


@dataclass(frozen=True)
class PSS:
    """sigmoid(alpha * x) = 1 / (1 + exp(-alpha * x)).

    Lowered to Rescaling(alpha) -> sigmoid; the scale then folds into the linear layer before, because
    sigmoid(alpha * (W x + c)) = sigmoid((alpha W) x + alpha c).
    """

    alpha: Parameter = 2.0

    key: ClassVar[str] = "pss"
    layer: ClassVar[str] = "PSS"
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {
        "PSSLayer": frozenset({"alpha"}),
        "PSS": frozenset({"alpha"}),
        "ParametricSigmoid": frozenset({"alpha"}),
    }
    function_names: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[tuple[str, ...]] = ("alpha",)

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """``alpha``, 2 where it is not given."""
        return cls(**numbers)

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:
        """Recognise a sigmoid function of k * x."""
        alpha = as_sigmoid(expression)
        return None if alpha is None else cls(alpha)

    @property
    def formula(self) -> str:
        """Such as ``sigmoid(3 x)``."""
        return f"sigmoid({show(self.alpha)} x)"

    @property
    def scale(self) -> float:
        """The largest |alpha|; 1 where every alpha is 0 and the curve is flat."""
        return largest_magnitude(self.alpha) or 1.0

    def largest_input(self, dtype_max: float) -> float:
        """Finite while alpha * x is; sigmoid itself saturates."""
        return dtype_max / max(self.scale, 1.0)

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """The formula is numerically stable everywhere."""
        return np.zeros(x.shape)

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64, in the form that cannot overflow."""
        z = np.asarray(self.alpha) * x
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1.0, small) / (1.0 + small)

    def arguments(self) -> dict[str, Any]:
        """``alpha``."""
        return {"alpha": plain(self.alpha)}

    def lower(self) -> tuple[Step, ...]:
        """Rescaling(alpha) -> sigmoid; no Rescaling for alpha = 1."""
        sigmoid = Step("Activation", {"activation": "sigmoid"}, "sigmoid")
        if self.alpha == 1.0:
            return (sigmoid,)
        return (rescaling(self.alpha, "scale"), sigmoid)
