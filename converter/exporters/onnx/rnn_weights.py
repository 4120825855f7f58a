"""Converts the weights of Keras cells to the layout of LSTM, GRU and RNN in ONNX.

    kernel (features, gates units)              -> W (1, gates units, features)
    recurrent_kernel (units, gates units)       -> R (1, gates units, units)
    bias (gates units), or two for GRU          -> B (1, 2 gates units): one for x, one for h

Keras's gates are i, f, c, o and z, r, h; ONNX's are i, o, f, c and z, r, h.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray

from converter.exporters.onnx.large_initializers import LargeWeight

Array = NDArray[Any]

_ORDER = {
    keras.layers.LSTMCell: (0, 3, 1, 2),
    keras.layers.GRUCell: (0, 1, 2),
    keras.layers.SimpleRNNCell: (0,),
}
"""The index in Keras of each gate of ONNX."""


def operator_weights(cell: keras.layers.Layer, owner: str) -> dict[str, LargeWeight]:
    """The weights of a cell by role: W, R and, where it has a bias, B.

    Args:
        cell: A cell of exactly one of the three classes.
        owner: A unique name, for the marks of the weights.
    """
    order, units = _ORDER[type(cell)], cell.units
    rows = len(order) * units

    def gates(variable: Any) -> Array:  # noqa: ANN401  a Keras variable
        """The variable with the gates of its last axis in the order of ONNX."""
        array = np.asarray(variable.value)
        return array.reshape(*array.shape[:-1], len(order), units)[..., order, :].reshape(array.shape)

    def bias() -> Array:
        both = np.zeros((2, rows), np.float32)
        of_cell = np.atleast_2d(gates(cell.bias))
        both[: len(of_cell)] = of_cell
        return both.reshape(1, -1)

    made: dict[str, tuple[tuple[int, ...], Callable[[], Array]]] = {
        "W": ((1, rows, cell.kernel.shape[0]), lambda: gates(cell.kernel).T[None]),
        "R": ((1, rows, units), lambda: gates(cell.recurrent_kernel).T[None]),
    }
    if cell.use_bias:
        made["B"] = (1, 2 * rows), bias
    return {
        role: LargeWeight(shape, onnx.TensorProto.FLOAT, read, f"plainserve weight of {owner} {role}")
        for role, (shape, read) in made.items()
    }
