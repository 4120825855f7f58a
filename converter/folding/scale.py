"""Represents a scale: the factor by which every element of one sample of a tensor is multiplied.

A scale is an array that broadcasts to the tensor from the last axis, without the batch axis, in its shortest form:

    2.0              shape ()         one number for all
    [2, 3, 4]        shape (3,)       differs along the last axis
    [[[2]], [[3]]]   shape (2, 1, 1)  differs along the third axis from the end, as with channels first
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from converter.folding.refusal import Refusal

Scale: TypeAlias = NDArray[np.float64]

Shape: TypeAlias = tuple[int | None, ...]
"""A tensor's sizes including the batch; None is a size that is known only when the model runs."""


def shortest(factor: Scale) -> Scale:
    """The same scale with every axis of equal numbers reduced to size 1, and without leading axes of size 1."""
    for axis in range(factor.ndim):
        first = factor.take([0], axis)
        if (factor == first).all():
            factor = first
    ones = next((axis for axis, size in enumerate(factor.shape) if size != 1), factor.ndim)
    return factor.reshape(factor.shape[ones:])


def along(scale: Scale, axis: int, layer: str) -> Scale:
    """The numbers of a scale that differs along one axis only.

    Args:
        scale: In its shortest form.
        axis: Counted from the end; -1 is the last.
        layer: The layer whose channels lie on that axis.

    Returns:
        Shape (channels,), or () for one number.

    Raises:
        Refusal: It differs along another axis.
    """
    if scale.ndim and scale.shape != (scale.size, *(1,) * (-axis - 1)):
        raise Refusal(f"the scale differs along another axis than the channels of '{layer}'")
    return scale.reshape(scale.size) if scale.ndim else scale


def laid(vector: Scale, axis: int) -> Scale:
    """Place one number per channel along an axis, counted from the end: the inverse of ``along``."""
    return vector.reshape(vector.shape + (1,) * (-1 - axis)) if vector.ndim else vector
