"""Keeps large weights out of a conversion: tf2onnx copies each constant about forty times.

They are arguments of the function that is converted. In its graph, placeholders then replace them: tensors of the
same name, type and shape whose bytes are a unique mark. ``file_writer`` writes the weight in place of the mark.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import keras
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from converter.dtypes import FLOATS, numpy_dtype

LEAST_BYTES = 1 << 20
"""Smaller weights are ordinary constants, so that TensorFlow can fold them."""

_RESHAPING: dict[str, Callable[[NDArray[Any], tuple[int, ...]], tuple[int, ...]]] = {
    "Reshape": lambda array, sizes: (
        array.reshape(
            tuple(size or kept for size, kept in zip_longest(sizes, array.shape[: len(sizes)]))
        ).shape
    ),
    "Squeeze": lambda array, axes: np.squeeze(array, axes).shape,
    "Unsqueeze": lambda array, axes: np.expand_dims(array, axes).shape,
}
_MARK = "plainserve weight"
# LSTM, GRU and RNN of ONNX have another layout of weights, and the body of a Scan or a Loop has its own constants.
_LOOPS = (keras.layers.RNN, keras.layers.Bidirectional, keras.layers.TimeDistributed)


@dataclass(frozen=True)
class LargeWeight:
    """One large weight, read when it is written.

    Attributes:
        shape: Its sizes.
        element_type: Its ``onnx.TensorProto`` type.
        read: Returns the array.
        mark: The content of its placeholder, unique to the weight.
    """

    shape: tuple[int, ...]
    element_type: int
    read: Callable[[], NDArray[Any]]
    mark: str

    def placeholder(self, name: str) -> onnx.TensorProto:
        """A tensor of the same type and shape that holds the mark."""
        return onnx.TensorProto(
            name=name, data_type=self.element_type, dims=self.shape, raw_data=self.mark.encode()
        )

    def initializer(self, name: str) -> onnx.TensorProto:
        """A placeholder if the weight is large, else the weight itself."""
        size = math.prod(self.shape) * onnx.helper.tensor_dtype_to_np_dtype(self.element_type).itemsize
        return self.placeholder(name) if size >= LEAST_BYTES else numpy_helper.from_array(self.read(), name)

    def transposed(self, order: tuple[int, ...]) -> "LargeWeight":
        """The weight with its axes in another order."""
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in order),
            read=lambda: self.read().transpose(order),
            mark=f"{self.mark} transposed {order}",
        )

    def cast(self, element_type: int) -> "LargeWeight":
        """The weight in another type, each element rounded once."""
        dtype = onnx.helper.tensor_dtype_to_np_dtype(element_type)
        return replace(
            self,
            element_type=element_type,
            read=lambda: self.read().astype(dtype),
            mark=f"{self.mark} cast {element_type}",
        )

    def reshaped(self, shape: tuple[int, ...]) -> "LargeWeight":
        """The weight's elements in another shape."""
        return replace(
            self, shape=shape, read=lambda: self.read().reshape(shape), mark=f"{self.mark} as {shape}"
        )

    def after(self, node: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> "LargeWeight | None":
        """The weight after a node that only reshapes or casts; None for other nodes, which the runtime computes."""
        stated = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Transpose":
            order = tuple(stated["perm"].ints) if stated else tuple(reversed(range(len(self.shape))))
            return self.transposed(order)
        if node.op_type == "Cast":
            return self.cast(stated["to"].i)
        if node.op_type in _RESHAPING and len(node.input) > 1 and node.input[1] in constants:
            numbers = tuple(int(number) for number in constants[node.input[1]])
            return self.reshaped(_RESHAPING[node.op_type](np.broadcast_to(np.int8(0), self.shape), numbers))
        return None


def large_variables(model: keras.Model) -> list[Any]:
    """The large variables of a model, each once, in order."""
    found = {
        id(variable): variable
        for layer in model.layers
        if not isinstance(layer, _LOOPS)
        for variable in layer.weights
        if variable.dtype in FLOATS and _bytes(variable) >= LEAST_BYTES
    }
    return list(found.values())


def add_placeholders(graph: onnx.GraphProto, variables: Mapping[str, Any]) -> dict[bytes, LargeWeight]:
    """Replace the inputs that stand for large variables by initializers with placeholders.

    Before: ``kernel (an input) -> Transpose -> Conv``. After: ``kernel, transposed (a placeholder) -> Conv``.

    Args:
        graph: Changed in place.
        variables: Keras variables by the name of their input.

    Returns:
        Weights by mark.
    """
    weights = {
        value.name: _weight(value.type.tensor_type, variables[value.name], number)
        for number, value in enumerate(graph.input)
        if value.name in variables
    }
    sizes = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT64]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in sizes}
    for value in [value for value in graph.input if value.name in weights]:
        graph.input.remove(value)
    for node in list(graph.node):
        before = weights.get(node.input[0]) if node.input else None
        after = before.after(node, constants) if before else None
        if after:
            weights[node.output[0]] = after
            graph.node.remove(node)
    graph.initializer.extend(weight.placeholder(name) for name, weight in weights.items())
    return {weight.mark.encode(): weight for weight in weights.values()}


def _weight(stated: onnx.TypeProto.Tensor, variable: Any, number: int) -> LargeWeight:  # noqa: ANN401  Keras's
    shape = tuple(size.dim_value for size in stated.shape.dim)
    return LargeWeight(shape, stated.elem_type, lambda: np.asarray(variable.value), f"{_MARK} {number}")


def _bytes(variable: Any) -> int:  # noqa: ANN401  a Keras variable
    size: int = math.prod(variable.shape)
    return size * numpy_dtype(variable.dtype).itemsize
