"""A format may list inputs and outputs in another order than the model: they are compared by name."""

import warnings

import keras
import pytest

from converter.options import Options
from converter.pipeline import convert


@pytest.mark.parametrize("target", ["onnx", "tflite", "saved_model"])
def test_outputs_and_inputs_that_are_not_in_alphabetical_order_are_paired_by_name(tmp_path, target):
    last, first = keras.Input((3,), name="z in"), keras.Input((3,), name="a in")
    model = keras.Model(
        [last, first], [keras.layers.Dense(2, name="z")(last), keras.layers.Dense(2, name="a")(first)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how Keras turns weights into arrays
        model.save(tmp_path / "two.keras")
    (outcome,) = convert(tmp_path / "two.keras", Options((target,)), str.lower).outcomes
    assert outcome.error is None
    assert sorted(outcome.proof.outputs) == ["a", "z"]
    assert outcome.proof.passed
