"""Formulas that no single built-in layer computes, as small models of plain operations.

Each stands as the function of an ``Activation`` layer, which passes masks on and casts to the compute dtype.
A functional model is that function because Keras saves it with the layer and loads it without foreign code.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

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


PLAIN_FUNCTIONS: dict[str, Callable[..., keras.Model]] = {"Quotient": quotient, "Polynomial": polynomial}
"""By the kind that a lowered layer has."""


def _constant(value: Parameter, like: Tensor) -> Any:  # noqa: ANN401  a float or an array
    return value if isinstance(value, float) else np.asarray(value, like.dtype)


def _wide(formula: Callable[[Tensor], Tensor], rank: int, dtype: str) -> keras.Model:
    x = keras.Input(batch_shape=(None,) * rank, dtype=dtype, name="x")
    narrow = dtype in {"float16", "bfloat16"}
    y = ops.cast(formula(ops.cast(x, "float32")), dtype) if narrow else formula(x)
    model = keras.Model(x, y, name="formula")
    for number, operation in enumerate(model.operations[1:]):  # Keras would count over the whole process
        operation.name = f"step_{number}"
    model.supports_masking = True  # the layer around it passes the mask on; this silences a wrong warning
    return model
