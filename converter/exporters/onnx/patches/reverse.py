"""Converts the reversal of an axis to Slice; tf2onnx makes six nodes and a ReverseSequence of it."""

from typing import Any

import numpy as np

_BACK, _PAST_THE_FIRST = -1, np.iinfo(np.int64).min


def slice_backwards(context: Any, node: Any, _name: str, _arguments: list[Any]) -> None:  # noqa: ANN401  tf2onnx's
    """Convert TensorFlow's ``ReverseV2(x, axes)`` to ``Slice(x)`` from the last element to the first, with step -1.

    For the ``custom_op_handlers`` of tf2onnx. tract does not support ReverseSequence, but Slice.
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
