"""Recurrent layers in ONNX: an operator of their own, or a Scan; the numbers are Keras's either way.

The tolerance is 1e-5 of answers below 1: a few float32 sums of ten products, seven steps in a row. A wrong gate,
direction or mask is off by 1e-1. In float16, whose eps is 1e-3, it is 1e-2.
"""

# ruff: noqa: PLW0108  every model gets a layer of its own

import keras
import numpy as np
import onnx
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError
from converter.exporters.onnx import large_initializers

layers = keras.layers

STEPS, FEATURES = 7, 5


def scaled(x):
    return keras.ops.sigmoid(2.5 * x)


class Keeps(layers.Layer):
    """A cell that hands its second state on as it is."""

    state_size = (3, 3)
    output_size = 3

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 3))
        self.built = True

    def call(self, x, states):
        y = keras.ops.tanh(keras.ops.matmul(x, self.kernel) + states[0])
        return y + states[1], [y, states[1]]


class Doubles(layers.LSTM):
    """A user's subclass with something around the loop."""

    def inner_loop(self, sequences, initial_state, mask, training=False):  # noqa: FBT002  as Keras's
        last, outputs, states = super().inner_loop(sequences, initial_state, mask, training=training)
        return 2 * last, 2 * outputs, states


def states_given(x):
    _, *states = layers.LSTM(4, return_state=True)(x)
    return layers.LSTM(4, return_sequences=True)(x, initial_state=states[::-1])


def states_given_to_a_scan(x):
    y, state = layers.GRU(4, return_state=True, recurrent_activation=scaled)(x)
    return [y, layers.GRU(4, activation="softsign")(x, initial_state=state)]


def shared(x):
    layer = layers.LSTM(FEATURES, return_sequences=True)
    return layer(layer(x))


def masked(*made):
    def build(x):
        y = layers.Masking()(x)
        for layer in made:
            y = layer(y)
        return y

    return build


OPERATORS = {
    "lstm": (lambda x: layers.LSTM(4)(x), {"LSTM": 1}),
    "lstm_of_all_steps": (lambda x: layers.LSTM(4, return_sequences=True, use_bias=False)(x), {"LSTM": 1}),
    "lstm_with_states": (lambda x: layers.LSTM(4, return_sequences=True, return_state=True)(x), {"LSTM": 1}),
    "lstm_states_given": (states_given, {"LSTM": 2}),
    "lstm_shared": (shared, {"LSTM": 2}),
    "lstm_unrolled": (lambda x: layers.LSTM(4, unroll=True)(x), {"LSTM": 1}),
    "lstm_with_dropout": (lambda x: layers.LSTM(4, dropout=0.5, recurrent_dropout=0.5)(x), {"LSTM": 1}),
    "lstm_of_a_user": (lambda x: Doubles(4, return_sequences=True)(x), {"LSTM": 1}),
    "gru": (lambda x: layers.GRU(4, return_sequences=True, return_state=True)(x), {"GRU": 1}),
    "gru_reset_before": (lambda x: layers.GRU(4, reset_after=False)(x), {"GRU": 1}),
    "gru_without_bias": (lambda x: layers.GRU(4, use_bias=False)(x), {"GRU": 1}),
    "gru_backwards": (lambda x: layers.GRU(4, go_backwards=True, return_sequences=True)(x), {"GRU": 1}),
    "rnn": (lambda x: layers.SimpleRNN(4, return_state=True)(x), {"RNN": 1}),
    "cell": (lambda x: layers.RNN(layers.LSTMCell(4))(x), {"LSTM": 1}),
    "both_ways": (
        lambda x: layers.LSTM(3)(layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)),
        {"GRU": 2, "LSTM": 1},
    ),
    "in_a_model": (
        lambda x: keras.Sequential([layers.GRU(4, return_sequences=True), layers.LSTM(3)])(x),
        {"GRU": 1, "LSTM": 1},
    ),
}
SCANS = {
    "lstm_of_softsign": (lambda x: layers.LSTM(4, activation="softsign")(x), 1),
    "lstm_backwards": (
        lambda x: layers.LSTM(4, activation="softsign", go_backwards=True, return_sequences=True)(x),
        1,
    ),
    "gru_of_relu": (lambda x: layers.GRU(4, activation="relu", return_sequences=True)(x), 1),
    "gru_of_hard_sigmoid": (lambda x: layers.GRU(4, recurrent_activation="hard_sigmoid")(x), 1),
    "rnn_of_gelu": (lambda x: layers.SimpleRNN(4, activation="gelu")(x), 1),
    "states_given": (states_given_to_a_scan, 2),
    "several_cells": (lambda x: layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)])(x), 1),
    "cell_that_keeps_a_state": (lambda x: layers.RNN(Keeps(), return_state=True)(x), 1),
    "both_ways": (
        lambda x: layers.Bidirectional(layers.LSTM(4, activation="softsign", return_sequences=True))(x),
        2,
    ),
    "masked": (masked(layers.LSTM(4)), 1),
    "masked_all_steps": (
        masked(
            layers.LSTM(4, return_sequences=True), layers.GRU(3, return_sequences=True, return_state=True)
        ),
        2,
    ),
    "masked_with_zeros": (masked(layers.LSTM(4, return_sequences=True, zero_output_for_mask=True)), 1),
    "masked_last_of_zeros": (masked(layers.LSTM(4, zero_output_for_mask=True)), 1),
    "masked_both_ways": (masked(layers.Bidirectional(layers.GRU(4, return_sequences=True))), 2),
    "masked_cells": (masked(layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_state=True)), 1),
    "masked_cell_that_keeps_a_state": (masked(layers.RNN(Keeps(), return_sequences=True)), 1),
}


def made(build, shape=(STEPS, FEATURES)):
    """A model with drawn weights, those of the bias too."""
    x = keras.Input(shape, name="x")
    outputs = enumerate(keras.tree.flatten(build(x)))
    model = keras.Model([x], [layers.Activation("linear", name=f"y{number}")(y) for number, y in outputs])
    generator = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(generator.normal(0.0, 0.4, weight.shape))
    return model


def sequences(steps=STEPS):
    """Rows that a mask leaves alone, and rows with masked steps at the end, at the beginning and between."""
    x = np.random.default_rng(4).normal(0.0, 1.5, (4, steps, FEATURES)).astype(np.float32)
    x[1, steps - 2 :] = x[2, :2] = x[3, 3] = 0
    return x


def difference(path, model, x):
    artefact = open_artefact("onnx", path)
    artefact.check()
    answers = list(artefact.run({"x": x}).values())
    expected = keras.tree.flatten(model([x], training=False))
    pairs = zip(answers, map(np.asarray, expected), strict=True)
    return max(np.abs(answer.astype(float) - want.astype(float)).max() for answer, want in pairs)


def recurrent_operators(path):
    names = {"LSTM", "GRU", "RNN", "Scan", "Loop"}
    return {name: count for name, count in open_artefact("onnx", path).operators().items() if name in names}


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("case", OPERATORS)
def test_the_default_activations_are_onnx_s_own_operators(export, case, opset):
    build, expected = OPERATORS[case]
    model = made(build)
    path = export(model, "onnx", opset=opset)
    assert recurrent_operators(path) == expected
    assert difference(path, model, sequences()) < 1e-5


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("case", SCANS)
def test_any_other_recurrent_layer_is_a_scan(export, case, opset):
    build, scans = SCANS[case]
    model = made(build)
    path = export(model, "onnx", opset=opset)
    assert recurrent_operators(path) == {"Scan": scans}
    assert difference(path, model, sequences()) < 1e-5


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_the_number_of_steps_may_be_free(export, activation):
    layer = layers.LSTM(4, activation=activation, return_sequences=True)
    model = made(lambda x: layers.Bidirectional(layer)(x), shape=(None, FEATURES))
    path = export(model, "onnx")
    for steps in (4, 1 + STEPS):
        assert difference(path, model, sequences(steps)) < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "float64"])
def test_other_types_are_scans(export, dtype):
    model = made(lambda x: layers.LSTM(4, dtype=dtype)(x))
    path = export(model, "onnx")
    assert recurrent_operators(path) == {"Scan": 1}
    assert difference(path, model, sequences()) < (1e-5 if dtype == "float64" else 1e-2)


def test_an_unrolled_layer_that_is_no_operator_stays_unrolled(export):
    model = made(lambda x: layers.LSTM(4, unroll=True, activation="softsign")(x))
    path = export(model, "onnx")
    assert recurrent_operators(path) == {}
    assert difference(path, model, sequences()) < 1e-5


def test_convolutions_recur_in_a_scan(export):
    model = made(lambda x: layers.ConvLSTM2D(3, 2)(x), shape=(4, 5, 5, 2))
    path = export(model, "onnx")
    assert recurrent_operators(path) == {"Scan": 1}
    x = np.random.default_rng(5).normal(size=(2, 4, 5, 5, 2)).astype(np.float32)
    assert difference(path, model, x) < 1e-5


def test_what_distributes_over_time_holds_operators_or_is_refused(export):
    fixed = made(lambda x: layers.TimeDistributed(layers.LSTM(3))(x), shape=(2, STEPS, FEATURES))
    path = export(fixed, "onnx")
    assert recurrent_operators(path) == {"LSTM": 2}
    assert difference(path, fixed, np.stack([sequences(), sequences()[::-1]], 1)) < 1e-5
    free = made(lambda x: layers.TimeDistributed(layers.LSTM(3))(x), shape=(None, STEPS, FEATURES))
    with pytest.raises(UnsupportedError, match="tf2onnx cannot convert the model"):
        export(free, "onnx")


def test_states_that_are_zeros_are_not_written(export):
    path = export(made(lambda x: layers.LSTM(4)(x)), "onnx")
    (node,) = (node for node in onnx.load(path).graph.node if node.op_type == "LSTM")
    assert [bool(name) for name in node.input] == [True, True, True, True]
    assert [bool(name) for name in node.output] == [False, True, False]
    assert [attribute.name for attribute in node.attribute] == ["hidden_size"]


def test_the_weights_of_a_shared_layer_are_stored_once(export):
    graph = onnx.load(export(made(shared), "onnx")).graph
    assert sum(tuple(tensor.dims) == (1, 4 * FEATURES, FEATURES) for tensor in graph.initializer) == 2


def test_large_weights_of_operators_are_written_without_being_held(export, monkeypatch):
    model = made(lambda x: layers.GRU(4)(layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)))
    small = export(model, "onnx", stem="small").read_bytes()
    monkeypatch.setattr(large_initializers, "LEAST_BYTES", 1)
    path = export(model, "onnx", stem="large")
    assert path.read_bytes() == small
    assert difference(path, model, sequences()) < 1e-5


@pytest.mark.parametrize("build", [OPERATORS["both_ways"][0], SCANS["masked_all_steps"][0]])
def test_free_sizes_within_a_body_leave_no_names_of_the_process(export, build):
    first, second = (export(made(build, (None, FEATURES)), "onnx", stem=stem).read_bytes() for stem in "ab")
    assert first == second
    assert b"unk__" not in first


def test_keras_is_as_it_was(export):
    before = keras.layers.RNN.inner_loop
    export(made(lambda x: layers.LSTM(4)(x)), "onnx")
    assert keras.layers.RNN.inner_loop is before


@pytest.mark.parametrize("axes", [1, (1, 2), (0, -1)])
def test_a_flip_is_one_slice(export, axes):
    x = keras.Input((3, 4), name="x")
    model = keras.Model([x], [keras.ops.flip(x, axes)])
    path = export(model, "onnx")
    assert open_artefact("onnx", path).operators() == {"Slice": 1}
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(
        *open_artefact("onnx", path).run({"x": values}).values(), np.flip(values, axes)
    )
