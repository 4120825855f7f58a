"""Skips nodes that do nothing.

Before: ``x -> Add 0 | Sub 0 | Mul 1 | Div 1 | Identity | Cast to its own type -> y``. After: ``x -> y``.
A Rescaling adds its offset of 0. The constant must have one element and must not raise the rank of ``x``.
"""

import onnx

from converter.exporters.onnx.rewrites.bypass import bypass
from converter.exporters.onnx.rewrites.inferred_values import Values

NEUTRAL = {"Add": (0, (0, 1)), "Sub": (0, (1,)), "Mul": (1, (0, 1)), "Div": (1, (1,))}
"""Per operator: the constant that changes nothing, and at which inputs it may stand."""


def skip_neutral(proto: onnx.ModelProto) -> bool:
    """Skip every such node."""
    values = Values(proto)
    changed = False
    for node in list(proto.graph.node):
        source = _unchanged_input(node, values)
        if source is not None:
            changed |= bypass(proto.graph, node, source)
    return changed


def _unchanged_input(node: onnx.NodeProto, values: Values) -> str | None:
    """Name of the input that the node passes on as it is; None if it does something."""
    if node.op_type == "Identity":
        return str(node.input[0])
    if node.op_type == "Cast":
        same = values.element_type(node.input[0]) == node.attribute[0].i
        return str(node.input[0]) if same else None
    neutral, places = NEUTRAL.get(node.op_type, (0, ()))
    for place in places:
        constant, other = values.constant(node.input[place]), str(node.input[1 - place])
        # The constant must not broadcast the other operand to a larger shape.
        if constant is None or constant.ndim > len(values.shape(other) or ()) or constant.size != 1:
            continue
        if constant.item() == neutral:
            return other
    return None
