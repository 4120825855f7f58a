"""What the command line states, on whole files."""

import keras
import numpy as np
import pytest
from keras import layers

from converter.activations import PSS, PolynomialSS
from converter.archive import open_archive
from converter.description import InputShapes, describe
from converter.errors import UnsupportedError, UsageError


class Mystery(layers.Layer):
    def __init__(self, gain=3.0, **kwargs):
        super().__init__(**kwargs)
        self.gain = gain

    def call(self, inputs):
        return keras.ops.sigmoid(self.gain * inputs)

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@pytest.fixture(scope="module")
def file(tmp_path_factory, write):
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="d"), Mystery(name="act")], name="inner"
    )
    outer = keras.Sequential([keras.Input((4,)), inner, Mystery(name="act")], name="outer")
    path = tmp_path_factory.mktemp("statements") / "model.keras"
    return write(keras.Sequential([keras.Input((4,)), outer, layers.Dense(2)]), path)


def read(path, **stated):
    with open_archive(path) as archive:
        return describe(archive, stated, InputShapes())


def test_a_layer_of_a_nested_model_is_stated_by_its_path(file):
    stated = {"outer/inner/act": "pss:alpha=3", "outer/act": "polynomial_ss:limit=2,c0=0.5,c1=0.2"}
    findings = read(file, **stated).findings
    assert [(finding.layer, finding.activation) for finding in findings] == [
        ("outer/inner/act", PSS(3.0)),
        ("outer/act", PolynomialSS((0.5, 0.2), 2.0)),
    ]
    assert {finding.why for finding in findings} == {"stated by --activation"}


def test_the_first_unknown_layer_is_named_with_its_path_and_what_to_type(file):
    with pytest.raises(UnsupportedError) as refusal:
        read(file)
    assert "layer 'outer/inner/act': is of class 'Mystery', which is not known; it stores gain=3" in str(
        refusal.value
    )
    assert refusal.value.hint == "Give the file that defines it: --custom-objects FILE.py."


def test_a_nested_model_is_no_layer_to_state(file):
    with pytest.raises(UnsupportedError, match="Mystery"):
        read(file, outer="ss")


def test_a_layer_that_is_not_there_is_a_usage_error(file):
    with pytest.raises(UsageError, match="'act', which is not in model"):
        read(file, act="ss", **{"outer/inner/act": "ss", "outer/act": "ss"})


def test_what_is_found_is_plain_data(file):
    description = read(file, **{"outer/inner/act": "pss:alpha=3", "outer/act": "ss"}).to_json()
    assert description["parameters"] == 4 * 3 + 3 + 3 * 2 + 2
    assert description["activations"][0] == {
        "layer": "outer/inner/act",
        "activation": "pss",
        "parameters": {"alpha": 3.0},
        "formula": "sigmoid(3 x)",
        "known_by": "stated by --activation",
        "basis": "stated",
    }


def test_a_subclassed_model_is_refused_by_its_name(tmp_path, write):
    class Own(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

        def get_config(self):
            return {}

    model = Own()
    model(np.zeros((1, 3), "float32"))
    path = write(model, tmp_path / "own.keras")
    with pytest.raises(UnsupportedError, match="'Own', a subclassed model"):
        read(path)
