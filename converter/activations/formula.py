"""A lambda's formula that is not one of the named activations, such as x * sigmoid(x) or (x - 127.5) / 127.5."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from converter.activations.activation import Step
from converter.activations.float64_operations import FLOAT64
from converter.activations.rounding_uncertainty import uncertainty
from converter.errors import UnsupportedError
from converter.lambdas import (
    Call,
    Expression,
    Input,
    LambdaUnreadableError,
    Number,
    compute,
    operations,
    unbracketed,
)

# Functions that Keras has by name: scales can be folded through such a layer, and a recurrent cell accepts the name.
# Not softplus, which TFLite computes as log(1 + exp(x)): that overflows at 88.
_BUILT_IN = {"exp": "exponential"} | {
    name: name for name in ("elu", "relu", "relu6", "selu", "sigmoid", "silu", "softsign", "tanh")
}


@dataclass(frozen=True)
class Formula:
    """A lambda that consists of elementwise operations.

    Lowered to the same operations of Keras, in the dtype that the layer computes in: a float16 layer rounds after
    each operation, as the lambda does.

    Raises:
        UnsupportedError: An operation is not known to be elementwise, or the expression does not depend on x.
    """

    expression: Expression

    key: ClassVar[str] = "formula"
    layer: ClassVar[str] = "Formula"
    class_names: ClassVar[Mapping[str, frozenset[str]]] = {}
    function_names: ClassVar[frozenset[str]] = frozenset()
    parameters: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        try:
            written = self.written
        except LambdaUnreadableError as error:
            raise UnsupportedError(f"the lambda computes {self.formula}, and {error}") from None
        _require_limits(written, self.formula)

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """A formula cannot be stated on the command line.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(f"a formula has no numbers to state, such as {', '.join(numbers)}")

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:
        """Take any expression.

        Raises:
            UnsupportedError: It is not elementwise.
        """
        return cls(expression)

    @cached_property
    def written(self) -> Expression:
        """The expression by operations, with constants computed in float64, as Python does."""
        return _folded(operations(self.expression))

    @property
    def formula(self) -> str:
        """As the lambda spells it, such as ``x * tf.sigmoid(x)``."""
        return unbracketed(self.expression)

    @property
    def scale(self) -> float:
        """The largest factor on x, such as 3 for tanh(3 x) + x; 1 if there is none."""
        return max(filter(math.isfinite, _scales(self.written)), default=1.0)

    def largest_input(self, dtype_max: float) -> float:
        """Every finite x: ``uncertainty`` excludes points where an intermediate result overflows."""
        return dtype_max

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """How far rounding in the dtype of x may change the result."""
        return uncertainty(self.written, x, FLOAT64)

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64."""
        with np.errstate(all="ignore"):  # log(-1) is NaN, as in every runtime
            return np.asarray(compute(self.written, x, FLOAT64))

    def arguments(self) -> dict[str, Any]:
        """``expression``, as the lambda spells it."""
        return {"expression": self.formula}

    def lower(self) -> tuple[Step, ...]:
        """One built-in function if it equals one, else one step with the operations."""
        match self.written:
            case Input():
                return (Step("Activation", {"activation": "linear"}, "formula"),)
            case Call(operation, (Input(),)) if operation in _BUILT_IN:
                return (Step("Activation", {"activation": _BUILT_IN[operation]}, "formula"),)
        return (Step("Formula", {"expression": self.written}, "formula"),)


def _folded(written: Expression) -> Expression:
    if not isinstance(written, Call):
        return written
    arguments = tuple(map(_folded, written.arguments))
    if not all(isinstance(argument, Number) for argument in arguments):
        return Call(written.function, arguments)
    with np.errstate(all="ignore"):
        value = compute(Call(written.function, arguments), None, FLOAT64)
    if np.asarray(value).dtype == bool:
        raise LambdaUnreadableError("it compares two numbers")
    if not np.isfinite(value):
        raise LambdaUnreadableError(f"its constant {written.function} is {value}")
    return Number(float(value))


def _require_limits(written: Expression, formula: str) -> None:
    """Check the limits of clips: implementations differ unless they are two numbers in ascending order."""
    if not isinstance(written, Call):
        return
    for argument in written.arguments:
        _require_limits(argument, formula)
    if written.function == "clip":
        _, low, high = written.arguments
        if not (isinstance(low, Number) and isinstance(high, Number) and low.value <= high.value):
            raise UnsupportedError(
                f"the lambda computes {formula}, and clips to limits other than two ascending numbers"
            )


def _scales(written: Expression) -> list[float]:
    """|k| of every k * x or x / k in an expression, where x is the input itself."""
    match written:
        case Call("multiply", (Number(value), Input()) | (Input(), Number(value))) if value:
            return [abs(value)]
        case Call("divide", (Input(), Number(value))) if value:
            return [1.0 / abs(value)]
        case Call(_, arguments):
            return [scale for argument in arguments for scale in _scales(argument)]
    return []
