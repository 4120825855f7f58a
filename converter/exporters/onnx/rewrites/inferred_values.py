"""Constants, shapes and element types of the values of a model, as far as ONNX can infer them."""

import math
from typing import Any

import numpy.typing as npt
import onnx
from onnx import numpy_helper

LARGEST_SHAPE = 64
"""Initializers with more elements are weights: no shape depends on their values."""


class Values:
    """Constants, shapes and element types, as far as ONNX can infer them.

    Args:
        proto: The model; make a new object after any change to it.
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        graph = onnx.shape_inference.infer_shapes(without_weights(proto), data_prop=True).graph
        self._types = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.input, *graph.output)}
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """Value of an initializer; None for anything else."""
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def shape(self, name: str) -> list[int | None] | None:
        """Sizes, None where free; None if not even the rank is known."""
        if name in self._constants:
            return list(self._constants[name].dims)
        if name not in self._types or not self._types[name].HasField("shape"):
            return None
        sizes = self._types[name].shape.dim
        return [size.dim_value if size.HasField("dim_value") else None for size in sizes]

    def element_type(self, name: str) -> int | None:
        """``onnx.TensorProto`` type; None if unknown."""
        return int(self._types[name].elem_type) if name in self._types else None


def without_weights(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model with its weights as inputs: inference is slow on weights, and refuses two gigabytes."""
    light = onnx.ModelProto(ir_version=proto.ir_version, opset_import=proto.opset_import)
    light.graph.name = proto.graph.name
    light.graph.node.extend(proto.graph.node)
    light.graph.input.extend(proto.graph.input)
    light.graph.output.extend(proto.graph.output)
    for tensor in proto.graph.initializer:
        if math.prod(tensor.dims) <= LARGEST_SHAPE:
            light.graph.initializer.append(tensor)
        else:
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    return light
