"""Replaces the complementary error function, which the exact GELU of TensorFlow uses and ONNX lacks."""

import numpy as np
import onnx

from converter.exporters.onnx.rewrites.inferred_values import Values


def replace_erfc(proto: onnx.ModelProto) -> None:
    """Rewrite Erfc(x) as 1 - Erf(x), in place.

    Before: ``x -> Erfc -> y``. After: ``x -> Erf -> e; 1, e -> Sub -> y``. Where erfc is near 0 the difference
    has the absolute error of a float's eps, not the relative one; a GELU multiplies it by x / 2, so that is
    what its result is off by. A node whose type is unknown stays, and is refused later.
    """
    while _replace_those_of_known_type(proto):
        pass


def _replace_those_of_known_type(proto: onnx.ModelProto) -> bool:
    """One round: types are known up to an Erfc, which inference does not know, and beyond it once it is gone."""
    nodes = list(proto.graph.node)
    if not any(node.op_type == "Erfc" for node in nodes):
        return False
    values = Values(proto)
    made: list[onnx.NodeProto] = []
    for node in nodes:
        kind = values.element_type(node.input[0]) if node.op_type == "Erfc" else None
        if not kind:
            made.append(node)
            continue
        name = node.output[0]
        one = np.ones((), onnx.helper.tensor_dtype_to_np_dtype(kind))
        proto.graph.initializer.append(onnx.numpy_helper.from_array(one, f"{name}/one"))
        made.append(onnx.helper.make_node("Erf", [node.input[0]], [f"{name}/erf"], f"{node.name}/erf"))
        made.append(onnx.helper.make_node("Sub", [f"{name}/one", f"{name}/erf"], [name], node.name))
    del proto.graph.node[:]
    proto.graph.node.extend(made)
    return len(made) > len(nodes)
