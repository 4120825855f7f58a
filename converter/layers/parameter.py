"""Parameters of a formula (alpha, a, b): numbers are checked, tensors are passed through."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from converter.layers.precision import Tensor

Value: TypeAlias = ArrayLike | Tensor
"""A number, a list or array of numbers, or (for the functions) a tensor."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a layer.

    Attributes:
        value: float64, shape () or a shape that broadcasts against the inputs; the initial value if it is learned.
        trainable: Whether it becomes a weight.
        constraint: What the optimizer applies to the weight after each step.
    """

    value: NDArray[np.float64]
    trainable: bool = False
    constraint: keras.constraints.Constraint | None = None


def is_tensor(value: Value) -> bool:
    """Tell tensors, variables and symbolic tensors from plain numbers and arrays."""
    return isinstance(value, keras.Variable | keras.KerasTensor) or ops.is_tensor(value)


def checked(value: ArrayLike, name: str, dtype: str = "float32") -> NDArray[np.float64]:
    """Return ``value`` as float64 after making sure that it is made of finite numbers.

    Args:
        value: A real number, or a non-empty list or array of them, of any rank. Booleans are refused.
        name: The name with which an error begins.
        dtype: The dtype in which it will be stored or used; a number beyond its range is refused.

    Raises:
        TypeError: It is not made of real numbers.
        ValueError: It is empty, not finite, or beyond the range of ``dtype``.
    """
    try:
        array = np.asarray(value)
        numeric = array.dtype.kind in "iufV"  # V: bfloat16, which numpy itself does not know
        numbers = array.astype(np.float64) if numeric else None
    except (TypeError, ValueError):  # a ragged list, a true void
        numbers = None
    if numbers is None:
        raise TypeError(f"{name} must be a real number or a list of them, not {value!r}")
    if not numbers.size:
        raise ValueError(f"{name} is empty; give a number or one per channel")
    largest = float(np.finfo(dtype if dtype in {"float16", "float64"} else "float32").max)
    if not (np.abs(numbers) <= largest).all():
        raise ValueError(f"{name} must be finite in {dtype}, not {value!r}")
    return numbers


def as_tensor(value: Value, name: str, dtype: str) -> Tensor:
    """Return a parameter as a tensor of ``dtype``; numbers are checked, tensors are cast.

    Raises:
        TypeError: ``value`` is neither a tensor nor made of real numbers.
        ValueError: A number in it is not finite in ``dtype``.
    """
    if is_tensor(value):
        return ops.cast(value, dtype)
    return ops.convert_to_tensor(checked(value, name, dtype), dtype=dtype)


def as_config(numbers: NDArray[np.float64]) -> Any:  # noqa: ANN401  float, list, list of lists: JSON
    """Return numbers as a layer's config holds them: a float, or nested lists of floats."""
    return numbers.tolist()
