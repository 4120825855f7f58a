"""A model that is traced answers as the same model does that is called, bit by bit."""

import keras
import numpy as np
import pytest

from converter.building.custom_layers import AsWritten
from converter.errors import UnsupportedError
from converter.graph import Graph, Layer
from converter.parity.model_runner import runner
from converter.user_code import USER_CODE

layers = keras.layers
EMPTY = Graph("", {}, (), (), ())
MANY, FEW = 39, 1


def image_model():
    x = keras.Input((8, 8, 2))
    h = layers.BatchNormalization()(layers.Conv2D(3, 3, activation="relu")(layers.Rescaling(1 / 255)(x)))
    return keras.Model([x], [layers.Dense(4, activation="softmax")(layers.Flatten()(h))])


def sequence_model():
    x = keras.Input((None, 4))
    h = layers.GRU(3, return_sequences=True)(layers.Masking()(x))
    return keras.Model([x], [layers.LSTM(3)(h), h])


def divisions():
    """The optimizer of graphs would multiply by the reciprocal, which is rounded."""
    x = keras.Input((64,))
    return keras.Model([x], [x / 3.0 + keras.ops.exp(x) / 127.5])


@pytest.mark.parametrize(
    ("make", "shape"), [(image_model, (8, 8, 2)), (sequence_model, (9, 4)), (divisions, (64,))]
)
@pytest.mark.parametrize("batch", [1, 7, 32])
def test_the_outputs_are_the_same_bit_by_bit(make, shape, batch):
    keras.utils.set_random_seed(1)
    model = make()
    inputs = np.random.default_rng(batch).normal(size=(batch, *shape)).astype(np.float32) * 10
    inputs[0, :1] = 0.0
    traced, called = (runner(model, EMPTY, runs)([inputs]) for runs in (MANY, FEW))
    for one, other in zip(traced, called, strict=True):
        np.testing.assert_array_equal(one, other)


class Counted(layers.Layer):
    """Counts how often its Python code runs."""

    ran = 0

    def call(self, x):
        Counted.ran += 1
        return x * 2.0


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Layer("y", "Dense"), 1),
        (Layer("y", USER_CODE), MANY),
        (Layer("y", "Activation", activations={"activation": AsWritten(None)}), MANY),
        (Layer("y", "RNN", {"cell": Layer("cell", USER_CODE)}), MANY),
    ],
)
def test_the_users_code_runs_for_each_batch(layer, expected):
    x = keras.Input((3,))
    model = keras.Model([x], [Counted()(x)])
    run = runner(model, Graph("", {"y": layer}, (), (), ()), MANY)
    Counted.ran = 0
    for _ in range(MANY):
        run([np.ones((2, 3), np.float32)])
    assert Counted.ran == expected


@pytest.mark.parametrize("runs", [FEW, MANY])
def test_a_batch_that_its_layers_cannot_take_is_refused(runs):
    x = keras.Input((6,))
    model = keras.Model([x], [keras.ops.reshape(x, (2, 3))])
    with pytest.raises(UnsupportedError, match="cannot be run on a batch of 5"):
        runner(model, EMPTY, runs)([np.zeros((5, 6), np.float32)])
