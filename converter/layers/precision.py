"""Computes activations of 16-bit tensors in float32."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import ops

Tensor: TypeAlias = Any
"""A tensor or variable of the active backend, a numpy array, or a symbolic Keras tensor."""


def in_wide_precision(formula: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute ``formula(x)`` in at least float32 and return it in the dtype of ``x``.

    float16 ends at 65504 and has 11 bits: ``b * x`` overflows, ``(1 + |x|)^2`` in a gradient overflows past
    |x| = 255, and ``1 - sigmoid`` loses everything long before its limit. In float32 none of that happens for
    any float16 value, and the result, forward and backward, is rounded once.

    Args:
        formula: Takes a float32 or float64 tensor, returns one of the same dtype and shape.
        x: Any shape. Integers are taken as ``keras.config.floatx()``.

    Returns:
        A tensor of the shape and (if it is floating) dtype of ``x``.
    """
    tensor = x if hasattr(x, "dtype") else ops.convert_to_tensor(x)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if not keras.backend.is_float_dtype(dtype):
        dtype = keras.config.floatx()
    wide = "float64" if dtype == "float64" else "float32"
    return ops.cast(formula(ops.cast(tensor, wide)), dtype)
