"""Let Gather itself count a negative index from the end, as ONNX defines it.

Before: ``Gather(table of n rows, x + n where x < 0 else x)``, the choice being spelled by tf2onnx as
``Cast(x < 0) * (x + n) + x * Cast(Not(x < 0))``. After: ``Gather(table, x)``. An Embedding is
written so. An index out of range is an error before and after.
"""

import numpy as np
import onnx

from converter.exporters.onnx_rewrites.values import Values


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
    """Name of x in ``Cast(x < 0) * (x + rows) + x * Cast(Not(x < 0))``, or None."""
    try:
        total = producers[name]
        below, above = (producers[source] for source in total.input)
        chosen, shifted = (producers[source] for source in below.input)
        less = producers[chosen.input[0]]
        x = str(above.input[0])
        kept = producers[above.input[1]]
        opposite = producers[kept.input[0]]
    except (KeyError, IndexError, ValueError):
        return None
    nodes = (total, below, above, chosen, shifted, less, kept, opposite)
    if [node.op_type for node in nodes] != ["Add", "Mul", "Mul", "Cast", "Add", "Less", "Cast", "Not"]:
        return None
    compared = producers.get(less.input[0])
    tested = less if compared is None or compared.op_type != "Cast" else compared
    same = tested.input[0] == shifted.input[0] == x and opposite.input[0] == less.output[0]
    zero, size = values.constant(less.input[1]), values.constant(shifted.input[1])
    if not same or zero is None or size is None or rows is None:
        return None
    return x if np.all(zero == 0) and np.all(size == rows) else None
