"""Makes LSTM, GRU and RNN operators of Keras layers that compute the same.

    LSTM   i, f, o = sigmoid(x W + h R + b), g = tanh(x W + h R + b);  c' = f c + i g;  h' = o tanh(c')
    GRU    z, r = sigmoid(x W + h R + b), n = tanh(x W + r (h R + b) + b);  h' = (1 - z) n + z h
           without reset_after: n = tanh(x W + (r h) R + b)
    RNN    h' = tanh(x W + h R + b)

Layers with other activations do not become such operators, although ONNX defines some: of onnxruntime, OpenVINO,
tract and ``onnx.reference`` only the first computes them. OpenVINO refuses Softsign; the last two silently compute
the default instead.
"""

from collections.abc import Iterator, Mapping

import keras
import onnx
from onnx.helper import make_node

from converter.exporters.recurrence import Recurrence

OPERATORS = {keras.layers.LSTMCell: "LSTM", keras.layers.GRUCell: "GRU", keras.layers.SimpleRNNCell: "RNN"}


def is_operator(recurrence: Recurrence) -> bool:
    """Whether one of these operators computes a layer: the default activations, float32, no mask."""
    cell = recurrence.layer.cell
    return (
        type(cell) in OPERATORS
        and not recurrence.masked
        and cell.compute_dtype == cell.variable_dtype == "float32"
        and cell.activation is keras.activations.tanh
        and getattr(cell, "recurrent_activation", keras.activations.sigmoid) is keras.activations.sigmoid
    )


def operator_nodes(
    recurrence: Recurrence, weights: Mapping[str, str], axes: tuple[str, str], wanted: set[str]
) -> Iterator[onnx.NodeProto]:
    """The operator, with nodes that adapt its inputs and outputs to those of the layer.

        x (steps, batch, features) -> LSTM -> Y (steps, 1, batch, units) -> Squeeze -> outputs
                                           -> Y_h (1, batch, units)      -> Squeeze -> state_0
                                           -> Y_c (1, batch, units)      -> Squeeze -> state_1

    Args:
        recurrence: The layer.
        weights: Names of its W, R and, where it has a bias, B.
        axes: Names of the constants [0] and [1].
        wanted: Roles of its outputs that something reads.
    """
    name, cell = recurrence.name, recurrence.layer.cell
    inputs = [recurrence.input_name("x"), weights["W"], weights["R"], weights.get("B", ""), ""]
    for role in () if recurrence.from_zero else recurrence.state_names:
        inputs.append(f"{name}_first_{role}")
        yield make_node("Unsqueeze", [recurrence.input_name(role), axes[0]], [inputs[-1]])
    while not inputs[-1]:
        inputs.pop()
    sources = {"outputs": "Y", "state_0": "Y_h", "state_1": "Y_c"}
    used = {sources[role] for role in wanted}
    made = {source: f"{name}_{source}" if source in used else "" for source in ("Y", "Y_h", "Y_c")}
    options = {"linear_before_reset": int(cell.reset_after)} if isinstance(cell, keras.layers.GRUCell) else {}
    outputs = list(made.values())[: 1 + len(recurrence.state_names)]
    yield make_node(OPERATORS[type(cell)], inputs, outputs, name, hidden_size=cell.units, **options)
    for role in sorted(wanted):
        source = sources[role]
        axis = axes[1] if source == "Y" else axes[0]
        yield make_node("Squeeze", [made[source], axis], [recurrence.output_name(role)])
