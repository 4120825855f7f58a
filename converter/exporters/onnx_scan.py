"""ONNX's Scan for any recurrent layer: its body is one step, as tf2onnx converts it.

Scan runs in onnxruntime, OpenVINO, tract and ``onnx.reference``; of Loop, which tf2onnx makes of TensorFlow's
loops, tract knows nothing. Sequences have time at axis 0 and run forward, as ``onnx.reference`` asks.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper
from onnx.helper import make_node, make_tensor_value_info, tensor_dtype_to_np_dtype

from converter.exporters.onnx_conversion import replace_values
from converter.exporters.onnx_rewrites.bypass import all_nodes
from converter.exporters.recurrence import Recurrence

Convert = Callable[[Any, list[tf.TensorSpec], list[str]], onnx.GraphProto]


def scan_node(recurrence: Recurrence, convert: Convert, wanted: set[str]) -> onnx.NodeProto:
    """The Scan between what a layer reads and gives.

        states, last; x, mask -> Scan -> states, last; outputs
        body: before_<state>, before_last; x, mask -> <state>, last; outputs

    Args:
        recurrence: The layer.
        convert: Makes a graph of a function, the specification of its arguments and the names of its outputs.
        wanted: Roles of what the layer gives that something reads: outputs that nothing reads are not kept.
    """
    function, specs = recurrence.step()
    body = convert(function, specs, [*recurrence.state_names, "last"])
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*body.input, *body.output)}
    if recurrence.masked:
        _mask(body, recurrence, kinds["last"])
    results = [*recurrence.state_names, *(["last"] if recurrence.carries_output else [])]
    if "outputs" in wanted:
        body.node.append(make_node("Identity", ["last"], ["outputs"]))
        results.append("outputs")
    kinds |= {"before_last": kinds["last"], "outputs": kinds["last"], "mask": onnx.TensorProto.BOOL}
    _declare(body, recurrence, results, kinds)
    return make_node(
        "Scan",
        [recurrence.read(role) for role in recurrence.reads],
        [recurrence.given(role) for role in results],
        recurrence.name,
        body=body,
        num_scan_inputs=2 if recurrence.masked else 1,
    )


def _declare(
    body: onnx.GraphProto, recurrence: Recurrence, results: list[str], kinds: dict[str, int]
) -> None:
    """State inputs and outputs without the sizes that tf2onnx states: their free ones have names of their own."""
    arguments = [role if role in {"x", "mask"} else f"before_{role}" for role in recurrence.reads]
    replace_values(body.input, [make_tensor_value_info(name, kinds[name], None) for name in arguments])
    steps = {**recurrence.gives, "outputs": recurrence.output}
    free = {name: [None] * len(steps[name].shape) for name in results}
    replace_values(body.output, [make_tensor_value_info(name, kinds[name], free[name]) for name in results])


def _mask(body: onnx.GraphProto, recurrence: Recurrence, kind: int) -> None:
    """Let a step that the mask leaves out change nothing, in place.

    Before: ``cell -> state, last``. After: ``Where(mask, cell's, before)``; a layer with zero_output_for_mask has
    zeros in the place of the output before.
    """
    before = {name: f"before_{name}" for name in recurrence.state_names}
    before["last"] = "before_last" if recurrence.carries_output else "zero"
    if not recurrence.carries_output:
        zero = np.zeros((), tensor_dtype_to_np_dtype(kind))
        body.initializer.append(numpy_helper.from_array(zero, "zero"))
    for node in all_nodes(body):
        for names in (node.input, node.output):
            names[:] = [f"cell_{name}" if name in before else name for name in names]
    for name, other in before.items():
        body.node.append(make_node("Where", ["mask", f"cell_{name}", other], [name]))
