"""TFLite of recurrent layers: a fixed number of steps is written out, a free one refused with what to type."""

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError
from converter.exporters.target_formats import get_target
from converter.exporters.tflite import unrolling
from converter.signature import Signature, TensorSpec

layers = keras.layers


def signature_of(model):
    (x,), (y,) = model.inputs, model.outputs
    return Signature(
        (TensorSpec(x.name, tuple(x.shape), x.dtype),), (TensorSpec("y", tuple(y.shape), y.dtype),)
    )


def tokens(layer):
    """Token sequences with masked steps, in front, between and behind."""
    x = keras.Input((6,), name="x", dtype="int32")
    return keras.Model(
        [x], [layer(layers.Embedding(9, 4, mask_zero=True, embeddings_initializer="normal")(x))]
    )


def plain(*chain, shape=(6, 5)):
    x = y = keras.Input(shape, name="x")
    for layer in chain:
        y = layer(y)
    return keras.Model([x], [y])


def with_states():
    x = keras.Input((6, 5), name="x")
    y, *states = layers.LSTM(3, return_sequences=True, return_state=True, go_backwards=True)(x)
    return keras.Model([x], [layers.LSTM(3)(y, initial_state=states), states[0]])


MODELS = {
    "LSTM on LSTM": lambda: plain(
        layers.LSTM(4, return_sequences=True), layers.LSTM(3, activation="softsign")
    ),
    "GRU backwards": lambda: plain(layers.GRU(3, go_backwards=True, reset_after=False)),
    "cells": lambda: plain(layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(2)], return_sequences=True)),
    "states": with_states,
    "ConvLSTM": lambda: plain(layers.ConvLSTM1D(2, 3), shape=(4, 7, 2)),
    "in TimeDistributed": lambda: plain(layers.TimeDistributed(layers.GRU(2)), shape=(2, 3, 5)),
    "masked": lambda: tokens(layers.LSTM(3, return_sequences=True)),
    "masked backwards": lambda: tokens(layers.GRU(3, return_sequences=True, go_backwards=True)),
    "masked both ways": lambda: tokens(layers.Bidirectional(layers.LSTM(3, return_sequences=True))),
    "unrolled by its author": lambda: tokens(
        layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True, unroll=True))
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_fixed_number_of_steps_needs_no_fixed_batch(export, case):
    keras.utils.set_random_seed(6)
    model = MODELS[case]()
    artefact = open_artefact("tflite", export(model, "tflite"))
    artefact.check()
    assert "WHILE" not in artefact.operators()
    generator = np.random.default_rng(6)
    for batch in (1, 3):
        shape = (batch, *model.inputs[0].shape[1:])
        x = generator.integers(0, 3, shape) if len(shape) == 2 else generator.normal(size=shape)
        x = x.astype(model.inputs[0].dtype)
        expected = [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model([x]))]
        for came, wanted in zip(artefact.run({"x": x}).values(), expected, strict=True):
            np.testing.assert_allclose(came, wanted, rtol=0, atol=2e-6)


def test_other_formats_and_the_model_itself_keep_the_loop(export):
    model = MODELS["GRU backwards"]()
    export(model, "tflite")
    assert [layer.unroll for layer in model.layers[1:]] == [False]
    assert [layer.go_backwards for layer in model.layers[1:]] == [True]
    assert open_artefact("onnx", export(model, "onnx")).operators()["GRU"] == 1  # not unrolled


@pytest.mark.parametrize(
    ("shape", "name", "says"),
    [
        ((None, 5), "x", "--input-shape x=STEPS,5. Or fix the batch: --batch 1."),
        ((None, 5), "my input", "--input-shape STEPS,5. Or"),
        ((None, None, 5), "x", "--input-shape x=STEPS,?,5. Or"),
    ],
)
def test_a_free_number_of_steps_is_refused_with_what_to_type(export, shape, name, says):
    x = keras.Input(shape, name=name.replace(" ", "."))
    first = layers.Identity() if len(shape) == 2 else layers.TimeDistributed(layers.GlobalAveragePooling1D())
    model = keras.Model([x], [layers.LSTM(3, name="memory")(first(x))])
    signature = get_target("tflite").legalise(signature_of(model))
    with pytest.raises(UnsupportedError, match="layer 'memory': its number of steps is free") as caught:
        export(model, "tflite", signature)
    assert says in caught.value.hint
    assert caught.value.exit_code == 4


def test_too_many_steps_are_refused_with_their_number_and_stay_a_loop_where_the_batch_is_fixed(
    export, monkeypatch
):
    monkeypatch.setattr(unrolling, "MOST_STEPS", 11)
    stacked = [layers.GRU(2, return_sequences=True), layers.GRU(2)]
    with pytest.raises(UnsupportedError, match="12 steps in all") as caught:
        export(plain(*stacked), "tflite")
    assert "--batch 1" in caught.value.hint
    x = keras.Input(batch_shape=(1, 6, 5), name="x")
    fixed = keras.Model([x], [stacked[1](stacked[0](x))])
    assert open_artefact("tflite", export(fixed, "tflite", stem="fixed")).operators()["WHILE"] == 2
