"""Formulas that no single built-in layer computes, as small models of plain operations.

Each stands as the function of an ``Activation`` layer, which passes masks on and casts to the compute dtype.
A functional model is that function because Keras saves it with the layer and loads it without foreign code.
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
        rank: Of x, the batch included.
        dtype: Of x; 16-bit x is computed with in float32, where b * |x| does not overflow.
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
        rank: Of x, the batch included.
        dtype: Of x; 16-bit x is computed with in float32.
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
    "reciprocal": lambda x: ops.divide(1.0, x),  # that of Keras answers in float32
    # As it cannot overflow: TFLite takes log(1 + exp(x)), and its exp ends at x = 88.
    "softplus": lambda x: ops.add(ops.relu(x), ops.log(ops.add(ops.exp(ops.negative(ops.abs(x))), 1.0))),
    "power": lambda x, y: ops.square(x) if isinstance(y, float) and y == 2.0 else ops.power(x, y),
    # ONNX has neither. exp(x) - 1 = tanh(x / 2) (exp(x) + 1) keeps its digits near 0; log(1 + x) is off by eps.
    "expm1": lambda x: ops.multiply(ops.tanh(ops.multiply(x, 0.5)), ops.add(ops.exp(x), 1.0)),
    "log1p": lambda x: ops.log(ops.add(x, 1.0)),
}


def formula(rank: int, dtype: str, expression: Expression) -> keras.Model:
    """What a lambda computes, in the type of x: also a 16-bit x is rounded after each operation.

    Args:
        rank: Of x, the batch included.
        dtype: Of x.
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


PLAIN_FUNCTIONS: dict[str, Callable[..., keras.Model]] = {
    "Quotient": quotient,
    "Polynomial": polynomial,
    "Formula": formula,
}
"""By the kind that a lowered layer has."""


def _constant(value: Parameter, like: Tensor) -> Any:  # noqa: ANN401  a float or an array
    return value if isinstance(value, float) else np.asarray(value, like.dtype)


def _wide(formula: Callable[[Tensor], Tensor], rank: int, dtype: str) -> keras.Model:
    """A model that computes with 16-bit numbers in float32."""
    if dtype not in {"float16", "bfloat16"}:
        return _model(formula, rank, dtype)
    return _model(lambda x: ops.cast(formula(ops.cast(x, "float32")), dtype), rank, dtype)


def _model(formula: Callable[[Tensor], Tensor], rank: int, dtype: str) -> keras.Model:
    x = keras.Input(batch_shape=(None,) * rank, dtype=dtype, name="x")
    model = keras.Model(x, formula(x), name="formula")
    for number, operation in enumerate(model.operations[1:]):  # Keras would count over the whole process
        operation.name = f"step_{number}"
    model.supports_masking = True  # the layer around it passes the mask on; this silences a wrong warning
    return model
