"""Makes a Scan operator of any recurrent layer: its body is one step, as tf2onnx converts it.

Scan runs in onnxruntime, OpenVINO, tract and ``onnx.reference``; tract does not support
Loop, which tf2onnx makes of TensorFlow's loops. Sequences have time at axis 0 and run forward, as ``onnx.reference``
requires.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper
from onnx.helper import make_node, make_tensor_value_info, tensor_dtype_to_np_dtype

from converter.exporters.onnx.rewrites.bypass import all_nodes
from converter.exporters.onnx.subgraph_outputs import separate_outputs
from converter.exporters.onnx.tf2onnx_conversion import replace_values
from converter.exporters.recurrence import Recurrence

Convert = Callable[[Any, list[tf.TensorSpec], list[str]], onnx.GraphProto]


def scan_node(recurrence: Recurrence, convert: Convert, wanted: set[str]) -> onnx.NodeProto:
    """The Scan from the inputs of a layer to its outputs.

        states, last; x, mask -> Scan -> states, last; outputs
        body: before_<state>, before_last; x, mask -> <state>, last; outputs

    Args:
        recurrence: The layer.
        convert: Converts a function, given the specification of its arguments and the names of its outputs.
        wanted: Roles of the outputs that something reads; the others are dropped.
    """
    function, specs = recurrence.step()
    body = convert(function, specs, [*recurrence.state_names, "last"])
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*body.input, *body.output)}
    kinds |= {"before_last": kinds["last"], "outputs": kinds["last"], "mask": onnx.TensorProto.BOOL}
    results = _results(body)
    if recurrence.masked:
        _mask(body, recurrence, results, kinds["last"])
    results["outputs"] = results["last"]
    given = [*recurrence.state_names, *(["last"] if recurrence.carries_output else [])]
    given += ["outputs"] if "outputs" in wanted else []
    # Inputs without shapes: those of tf2onnx have names of their own for free sizes.
    arguments = [role if role in {"x", "mask"} else f"before_{role}" for role in recurrence.input_roles]
    replace_values(body.input, [make_tensor_value_info(name, kinds[name], None) for name in arguments])
    ranks = {**recurrence.output_specs, "outputs": recurrence.output}
    free = {role: [None] * len(ranks[role].shape) for role in given}
    replace_values(
        body.output, [make_tensor_value_info(results[role], kinds[role], free[role]) for role in given]
    )
    separate_outputs(body)
    return make_node(
        "Scan",
        [recurrence.input_name(role) for role in recurrence.input_roles],
        [recurrence.output_name(role) for role in given],
        recurrence.name,
        body=body,
        num_scan_inputs=2 if recurrence.masked else 1,
    )


def _results(body: onnx.GraphProto) -> dict[str, str]:
    """The value that produces each output, past Identity nodes, which tf2onnx leaves in varying places.

    The Identity nodes are removed from the body.
    """
    copies = {node.output[0]: node for node in body.node if node.op_type == "Identity"}

    def source(name: str) -> str:
        while name in copies:
            name = str(copies[name].input[0])
        return name

    for node in all_nodes(body):
        node.input[:] = [source(name) for name in node.input]
    for node in copies.values():
        body.node.remove(node)
    return {value.name: source(value.name) for value in body.output}


def _mask(body: onnx.GraphProto, recurrence: Recurrence, results: dict[str, str], kind: int) -> None:
    """Make a masked step keep the states and the output, in place.

    Before: ``cell -> state, last``. After: ``Where(mask, cell's, before)``; a layer with zero_output_for_mask has
    zeros in the place of the output before.
    """
    before = {name: f"before_{name}" for name in recurrence.state_names}
    before["last"] = "before_last" if recurrence.carries_output else "zero"
    if not recurrence.carries_output:
        zero = np.zeros((), tensor_dtype_to_np_dtype(kind))
        body.initializer.append(numpy_helper.from_array(zero, "zero"))
    for name, other in before.items():
        body.node.append(make_node("Where", ["mask", results[name], other], [f"kept_{name}"]))
        results[name] = f"kept_{name}"
