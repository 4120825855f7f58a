"""Inserts recurrent layers into an ONNX graph: as LSTM, GRU or RNN where they fit, else as Scan."""

import numpy as np
import onnx
from onnx import numpy_helper

from converter.exporters.onnx.canonical import needed_nodes, reads
from converter.exporters.onnx.large_initializers import LargeWeight
from converter.exporters.onnx.rnn_operators import is_operator, operator_nodes
from converter.exporters.onnx.rnn_weights import operator_weights
from converter.exporters.onnx.scan import Convert, scan_node
from converter.exporters.onnx.tf2onnx_conversion import replace_values
from converter.exporters.recurrence import Recurrence

_AXES = ("recurrence_axis_0", "recurrence_axis_1")


def is_extractable(recurrence: Recurrence) -> bool:
    """Whether to extract a layer from the trace.

    An unrolled layer without an operator of its own stays unrolled, for runtimes without loops. A layer whose outputs
    have free sizes besides the batch, such as a ConvLSTM2D on images of any size, stays a loop: the size of its
    initial output is not known.
    """
    if is_operator(recurrence):
        return True
    return not recurrence.layer.unroll and recurrence.output.shape[1:].is_fully_defined()


def insert_recurrences(
    graph: onnx.GraphProto, recurrences: list[Recurrence], convert: Convert
) -> dict[bytes, LargeWeight]:
    """Insert recurrent layers where they were extracted.

    Args:
        graph: Its outputs include the inputs of the layers, and its inputs their outputs; changed in place.
        recurrences: The layers, in the order in which they were traced.
        convert: Converts the function of one step to a graph.

    Returns:
        Large weights by the marks of their placeholders.
    """
    large: dict[bytes, LargeWeight] = {}
    owners: dict[int, str] = {}
    used = {name for node in needed_nodes(graph) for name in reads(node)}
    for recurrence in recurrences:
        wanted = {role for role in recurrence.output_specs if recurrence.output_name(role) in used}
        if not is_operator(recurrence):
            graph.node.append(scan_node(recurrence, convert, wanted))
            continue
        owner = owners.setdefault(
            id(recurrence.layer), recurrence.name
        )  # a shared layer's weights are stored once
        weights = operator_weights(recurrence.layer.cell, owner)
        names = {role: f"{owner}_{role}" for role in weights}
        if owner == recurrence.name:
            for role, weight in weights.items():
                graph.initializer.append(weight.initializer(names[role]))
                large |= {weight.mark.encode(): weight}
        graph.node.extend(operator_nodes(recurrence, names, _AXES, wanted))
    if recurrences:
        graph.initializer.extend(numpy_helper.from_array(np.array([i], np.int64), _AXES[i]) for i in (0, 1))
        _close(graph, recurrences)
    return large


def _close(graph: onnx.GraphProto, recurrences: list[Recurrence]) -> None:
    """Remove the ends of extracted layers from the inputs and outputs, and sort the nodes topologically."""
    cut = tuple(f"{recurrence.name}_" for recurrence in recurrences)
    for ends in (graph.input, graph.output):
        replace_values(ends, [value for value in ends if not value.name.startswith(cut)])
    nodes = list(needed_nodes(graph))
    del graph.node[:]
    graph.node.extend(nodes)
