"""Small Keras models of plain operations, for formulas that no single built-in layer computes.

Each is the function of an ``Activation`` layer, which passes masks on and casts to the compute dtype. It is a
functional model because Keras saves that with the layer, and loads it without custom code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from converter.errors import UnsupportedError
from converter.lambdas import Expression, compute

Tensor: TypeAlias = Any
Parameter: TypeAlias = float | Sequence[float]


def quotient(rank: int, dtype: str, a: Parameter, b: Parameter) -> keras.Model:
    """``a * x / (1 + b * |x|)``, as it is written.

    Args:
        rank: Rank of x, batch included.
        dtype: Dtype of x; a 16-bit x is computed in float32, where b * |x| does not overflow.
        a: A number, or one per channel of the last axis.
        b: Likewise.

    Returns:
        A model from x to the quotient.
    """

    def formula(x: Tensor) -> Tensor:
        return (x * _constant(a, x)) / (ops.abs(x) * _constant(b, x) + 1.0)

    return _wide(formula, rank, dtype)


def polynomial(rank: int, dtype: str, coefficients: Sequence[float], limit: float) -> keras.Model:
    """``c0 + c1 x + c2 x^2 + ...`` by Horner's rule, x first clamped to ``[-limit, limit]``.

    Args:
        rank: Rank of x, batch included.
        dtype: Dtype of x; a 16-bit x is computed in float32.
        coefficients: c0, c1, ...
        limit: Above 0.

    Returns:
        A model from x to the polynomial.
    """

    def formula(x: Tensor) -> Tensor:
        clamped = ops.clip(x, -limit, limit)
        highest, *following = reversed(coefficients)
        total = clamped * (highest if following else 0.0)
        for coefficient in following[:-1]:
            total = (total + coefficient) * clamped
        return total + coefficients[0]

    return _wide(formula, rank, dtype)


_OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    **{
        name: getattr(ops, name)
        for name in (
            "abs add ceil clip cos divide elu equal erf exp floor greater greater_equal less less_equal log "
            "logical_and logical_not logical_or maximum minimum multiply negative not_equal power "
            "relu relu6 round rsqrt selu sigmoid sign silu sin softsign sqrt square subtract tanh where"
        ).split()
    },
    "gelu": lambda x: ops.gelu(x, approximate=False),
    "gelu_tanh": lambda x: ops.gelu(x, approximate=True),
    "leaky_relu": lambda x, slope: ops.where(ops.greater(x, 0.0), x, ops.multiply(x, slope)),
    "reciprocal": lambda x: ops.divide(1.0, x),  # the one of Keras returns float32
    # In a form that cannot overflow: TFLite computes log(1 + exp(x)), and its exp overflows at x = 88.
    "softplus": lambda x: ops.add(ops.relu(x), ops.log(ops.add(ops.exp(ops.negative(ops.abs(x))), 1.0))),
    "power": lambda x, y: ops.square(x) if isinstance(y, float) and y == 2.0 else ops.power(x, y),
    # ONNX has neither. exp(x) - 1 = tanh(x / 2) (exp(x) + 1) is accurate near 0; log(1 + x) has an error of eps.
    "expm1": lambda x: ops.multiply(ops.tanh(ops.multiply(x, 0.5)), ops.add(ops.exp(x), 1.0)),
    "log1p": lambda x: ops.log(ops.add(x, 1.0)),
}


def formula(rank: int, dtype: str, expression: Expression) -> keras.Model:
    """The expression of a lambda, in the type of x: a 16-bit x too is rounded after each operation.

    Args:
        rank: Rank of x, batch included.
        dtype: Dtype of x.
        expression: Written with operations, see ``converter.lambdas.operations``.

    Returns:
        A model from x to the answer.

    Raises:
        UnsupportedError: The answer has another type than x.
    """
    model = _model(lambda x: compute(expression, x, _OPERATIONS), rank, dtype)
    if model.output.dtype != dtype:
        raise UnsupportedError(
            f"the lambda answers in {model.output.dtype} where its layer computes in {dtype}"
        )
    return model


FORMULA_MODELS: dict[str, Callable[..., keras.Model]] = {
    "Quotient": quotient,
    "Polynomial": polynomial,
    "Formula": formula,
}
"""The models by the kind of a lowered layer."""


def _constant(value: Parameter, like: Tensor) -> Any:  # noqa: ANN401  a float or an array
    return value if isinstance(value, float) else np.asarray(value, like.dtype)


def _wide(formula: Callable[[Tensor], Tensor], rank: int, dtype: str) -> keras.Model:
    """A model that computes a 16-bit x in float32."""
    if dtype not in {"float16", "bfloat16"}:
        return _model(formula, rank, dtype)
    return _model(lambda x: ops.cast(formula(ops.cast(x, "float32")), dtype), rank, dtype)


def _model(formula: Callable[[Tensor], Tensor], rank: int, dtype: str) -> keras.Model:
    x = keras.Input(batch_shape=(None,) * rank, dtype=dtype, name="x")
    model = keras.Model(x, formula(x), name="formula")
    for number, operation in enumerate(
        model.operations[1:]
    ):  # the names of Keras count over the whole process
        operation.name = f"step_{number}"
    model.supports_masking = True  # the layer around it passes the mask on; this prevents a wrong warning
    return model
