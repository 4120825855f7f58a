"""Removes the wrapping of negative indices before Gather, which ONNX defines to count them from the end.

Before: ``Gather(table of n rows, Where(x < 0, x + n, x))``. After: ``Gather(table, x)``. Embedding layers become
this. An index out of range is an error before and after.
"""

import numpy as np
import onnx

from converter.exporters.onnx.rewrites.inferred_values import Values


def unwrap_indices(proto: onnx.ModelProto) -> bool:
    """Unwrap the index of every such Gather."""
    values = Values(proto)
    producers = {name: node for node in proto.graph.node for name in node.output}
    changed = False
    for node in proto.graph.node:
        if node.op_type != "Gather" or any(attribute.i != 0 for attribute in node.attribute):
            continue
        shape = values.shape(node.input[0])
        index = _wrapped_index(node.input[1], producers, values, rows=shape[0] if shape else None)
        if index is not None:
            node.input[1] = index
            changed = True
    return changed


def _wrapped_index(
    name: str, producers: dict[str, onnx.NodeProto], values: Values, rows: int | None
) -> str | None:
    """Name of x in ``Where(x < 0, x + rows, x)``, or None."""
    choice = producers.get(name)
    if choice is None or choice.op_type != "Where":
        return None
    condition, shifted_name, x = choice.input
    less, shifted = producers.get(condition), producers.get(shifted_name)
    if less is None or shifted is None or (less.op_type, shifted.op_type) != ("Less", "Add"):
        return None
    compared = producers.get(less.input[0])
    tested = less if compared is None or compared.op_type != "Cast" else compared
    zero, size = values.constant(less.input[1]), values.constant(shifted.input[1])
    if not (tested.input[0] == shifted.input[0] == x) or zero is None or size is None or rows is None:
        return None
    return str(x) if np.all(zero == 0) and np.all(size == rows) else None
