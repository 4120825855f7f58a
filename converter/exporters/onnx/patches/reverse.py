"""Reversing an axis, such as that of time, which tf2onnx does by six nodes and a ReverseSequence."""

from typing import Any

import numpy as np

_BACK, _PAST_THE_FIRST = -1, np.iinfo(np.int64).min


def slice_backwards(context: Any, node: Any, _name: str, _arguments: list[Any]) -> None:  # noqa: ANN401  tf2onnx's
    """Convert TensorFlow's ``ReverseV2(x, axes)`` to ``Slice(x)`` from the last to the first, one step back a time.

    For tf2onnx's ``custom_op_handlers``. A tract that knows no ReverseSequence knows Slice.
    """
    axes = np.atleast_1d(node.inputs[1].get_tensor_value(as_list=False)).astype(np.int64)
    rows = [np.full_like(axes, _BACK), np.full_like(axes, _PAST_THE_FIRST), axes, np.full_like(axes, _BACK)]
    constants = [
        context.make_const(f"{node.name}/slice_{number}", row).output[0] for number, row in enumerate(rows)
    ]
    shapes, dtypes = node.output_shapes, node.output_dtypes
    context.remove_node(node.name)
    context.make_node(
        "Slice",
        [node.input[0], *constants],
        outputs=node.output,
        name=node.name,
        shapes=shapes,
        dtypes=dtypes,
    )
