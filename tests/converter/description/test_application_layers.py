"""Layers that only keras.applications has are read as the plain layers they amount to; others so named are not."""

import keras
import numpy as np
import pytest
from keras.src.applications.convnext import LayerScale, StochasticDepth

from converter.archive import Weight
from converter.description.application_layers import read_application_layer
from converter.errors import UnsafeFileError, UnsupportedError


def scaled():
    x = keras.Input((4, 3), name="x")
    y = LayerScale(1e-6, 3, name="scale")(keras.layers.Dense(3)(x))
    return keras.Model(x, keras.layers.Add()([x, StochasticDepth(0.3, name="depth")(y)]))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layer_scale_and_stochastic_depth_answer_as_the_original(saved, holds, suffix):
    case = saved("scaled", scaled, suffix)
    holds(case)
    assert case.graph.layers["scale"].kind == "Rescaling"
    assert len(case.graph.layers["scale"].config["scale"]) == 3
    assert case.graph.layers["depth"].kind == "Dropout"


def users_own(options):
    class LayerScale(keras.layers.Layer):
        def call(self, x):
            return x * 2.0

        def get_config(self):
            return {**super().get_config(), **options}

    return lambda: keras.Sequential([keras.Input((3,)), LayerScale(name="scale")])


@pytest.mark.parametrize("options", [{"init_values": 1.0, "projection_dim": 3}, {"gain": 2.0}])
def test_a_users_class_of_the_same_name_is_refused(saved, options):
    with pytest.raises(UnsupportedError, match="'LayerScale', which is not known"):
        saved(f"users_own_{len(options)}", users_own(options), ".keras")


def test_in_the_legacy_format_the_options_tell_a_users_class(saved):
    with pytest.raises(UnsupportedError, match="'LayerScale', which is not known"):
        saved("users_own_legacy", users_own({"gain": 2.0}), ".h5")


@pytest.mark.parametrize("shapes", [[], [(3,), (3,)], [(1, 3)]])
def test_layer_scale_without_its_one_weight_is_refused(shapes):
    weights = {f"vars/{i}": Weight.of(np.ones(shape, "float32")) for i, shape in enumerate(shapes)}
    with pytest.raises(UnsafeFileError, match="not one per channel"):
        read_application_layer("LayerScale", "scale", "float32", weights)


def test_layer_scale_with_nan_is_refused():
    with pytest.raises(UnsupportedError, match="NaN or infinity"):
        read_application_layer("LayerScale", "s", "float32", {"vars/0": Weight.of(np.array([1.0, np.nan]))})


def test_stochastic_depth_ends_a_mask_as_it_does_in_keras():
    assert read_application_layer("StochasticDepth", "depth", "float32", {}).stops_mask
