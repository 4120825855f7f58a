"""Makes the shape of a Reshape a constant where it is known.

Before: ``Reshape(x, Concat(Slice(Shape(x)), 64))``. After: ``Reshape(x, [-1, 64])``, as in a Flatten.
At most one size may be free. ONNX infers the shape from opset 15 on; below 15 nothing matches.
"""

import numpy as np
import onnx
from onnx import numpy_helper

from converter.exporters.onnx.rewrites.inferred_values import Values


def fix_reshapes(proto: onnx.ModelProto) -> bool:
    """Fix every such Reshape."""
    values = Values(proto)
    changed = False
    for node in proto.graph.node:
        if node.op_type != "Reshape" or values.constant(node.input[1]) is not None:
            continue
        shape = values.shape(node.output[0])
        if shape is None or shape.count(None) > 1 or 0 in shape:
            continue
        target = np.array([-1 if size is None else size for size in shape], np.int64)
        name = f"{node.output[0]}__shape"
        proto.graph.initializer.append(numpy_helper.from_array(target, name))
        node.input[1] = name
        changed = True
    return changed
