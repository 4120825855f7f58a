"""Splits means over many numbers, so that float32 loses almost no precision."""

import math

import numpy as np
import onnx

from converter.exporters.onnx.rewrites.inferred_values import Values

FEW = 256
"""A mean of this many numbers keeps six digits in any order of summation."""


def split_means(proto: onnx.ModelProto) -> None:
    """Rewrite a ReduceMean over several axes as one for each axis, the last axis first, in place.

    Before: ``x -> ReduceMean(1, 2, 4) -> y``. After: ``x -> ReduceMean(4) -> ReduceMean(2) -> ReduceMean(1) -> y``.
    The mean of means of equal counts is the mean. onnxruntime adds the numbers of such a mean one after the
    other, in one float32: of 2,304 equal numbers it is off by 2e-5, of 100,000 by 4e-4, which a normalisation
    divides by the small deviation of such numbers. TensorFlow, and so the original, adds them pairwise. One axis
    at a time adds 24, then 48, then 2 numbers, and is off by 1e-7. Means of at most ``FEW`` numbers stay.
    """
    if not any(node.op_type == "ReduceMean" for node in proto.graph.node):
        return
    values = Values(proto)
    made: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        axes = _axes(node, values) if node.op_type == "ReduceMean" else []
        made += _one_by_one(proto.graph, node, axes) if _many(node, axes, values) else [node]
    del proto.graph.node[:]
    proto.graph.node.extend(made)


def _axes(node: onnx.NodeProto, values: Values) -> list[int]:
    """The axes, an input from opset 18 on and an attribute before; empty where they are not constant."""
    if len(node.input) > 1:
        constant = values.constant(node.input[1])
        return [] if constant is None else [int(axis) for axis in constant]
    return next((list(a.ints) for a in node.attribute if a.name == "axes"), [])


def _many(node: onnx.NodeProto, axes: list[int], values: Values) -> bool:
    if len(axes) < 2 or len({axis < 0 for axis in axes}) > 1:
        return False
    shape = values.shape(node.input[0])
    sizes = [shape[axis] for axis in axes] if shape else [None]
    known = [size for size in sizes if size is not None]
    return len(known) < len(sizes) or math.prod(known) > FEW


def _one_by_one(graph: onnx.GraphProto, node: onnx.NodeProto, axes: list[int]) -> list[onnx.NodeProto]:
    # Removing an axis must not renumber the axes that follow.
    order = sorted(axes, reverse=axes[0] >= 0)
    names = [str(node.input[0]), *(f"{node.output[0]}/{axis}" for axis in order[:-1]), str(node.output[0])]
    made = []
    for axis, source, result in zip(order, names[:-1], names[1:], strict=True):
        step = onnx.NodeProto()
        step.CopyFrom(node)
        step.name, step.input[0], step.output[0] = f"{node.name}/{axis}", source, result
        if len(node.input) > 1:
            step.input[1] = f"{result}/axes"
            graph.initializer.append(onnx.numpy_helper.from_array(np.array([axis], np.int64), step.input[1]))
        else:
            next(a for a in step.attribute if a.name == "axes").ints[:] = [axis]
        made.append(step)
    return made
