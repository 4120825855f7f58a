import json

import keras
import numpy as np
import pytest

from converter.layers import PSS, SS, PolynomialSS, RationalSS, pss, rational_ss, ss

# Keras 3.15 copies its variables with np.array, whose protocol they implement as numpy 1 had it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

LAYERS = {
    "pss": PSS,
    "pss_vector": lambda: PSS(np.array([1.0, -2.0, 3.5, 0.0])),
    "pss_trainable": lambda: PSS(3.0, trainable_alpha=True),
    "pss_trainable_vector": lambda: PSS([1.0, 2.0, 3.0, 4.0], trainable_alpha=True),
    "pss_trainable_per_channel": lambda: PSS(3.0, trainable_alpha=True, axis=-1),
    "ss": SS,
    "rational_ss": lambda: RationalSS(1.5, 0.8),
    "rational_ss_trainable": lambda: RationalSS(1.5, 0.8, trainable_a=True, trainable_b=True),
    "rational_ss_mixed": lambda: RationalSS([1.0, 2.0, 3.0, 4.0], 0.8, trainable_b=True, axis=-1),
    "rational_ss_bfloat16": lambda: RationalSS(1.5, 0.0, dtype="bfloat16", name="straight"),
    "polynomial_ss": lambda: PolynomialSS(np.array([0.5, 0.25, -0.01]), np.float32(2.5)),
}

X = np.random.default_rng(4).normal(size=(5, 4)).astype(np.float32)


def disturb(model):
    """Move every weight, so that a weight that is not loaded shows."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(weight + rng.uniform(0.1, 0.4, weight.shape))


def reloaded(model, folder):
    path = folder / "model.keras"
    model.save(path)
    return keras.saving.load_model(path)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_saved_model_answers_the_same_without_custom_objects(make, tmp_path):
    layer = make()
    model = keras.Sequential([keras.Input((4,)), layer])
    disturb(model)
    again = reloaded(model, tmp_path)
    assert type(again.layers[0]) is type(layer)
    assert again.layers[0].get_config() == layer.get_config()
    assert [weight.name for weight in again.weights] == [weight.name for weight in model.weights]
    np.testing.assert_array_equal(np.float32(again(X)), np.float32(model(X)))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_layer_can_be_the_activation_of_another(make, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation=make())])
    model(X)
    disturb(model)
    again = reloaded(model, tmp_path)
    np.testing.assert_array_equal(np.float32(again(X)), np.float32(model(X)))


@pytest.mark.parametrize("function", [pss, ss, rational_ss])
def test_a_function_can_be_the_activation_of_a_layer(function, tmp_path):
    layers = [keras.layers.Dense(4, activation=function), keras.layers.Activation(function)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    again = reloaded(model, tmp_path)
    assert [layer.activation for layer in again.layers] == [function, function]
    np.testing.assert_array_equal(again(X), model(X))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_config_rebuilds_the_layer_and_is_plain_json(make):
    layer = make()
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == layer.get_config()
    assert config["registered_name"] == f"plainserve>{type(layer).__name__}"
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (PSS(np.float64(1.5)), {"alpha": 1.5, "trainable_alpha": False, "axis": None}),
        (
            RationalSS(np.array([1, 2]), np.float32([[0.5, 0.25]]), trainable_b=True),
            {"a": [1.0, 2.0], "b": [[0.5, 0.25]], "trainable_a": False, "trainable_b": True, "axis": None},
        ),
        (PolynomialSS((1, 2), np.int64(3)), {"coefficients": [1.0, 2.0], "limit": 3.0}),
    ],
)
def test_numbers_and_arrays_of_any_kind_become_floats_and_lists(layer, expected):
    config = layer.get_config()
    options = {key: value for key, value in config.items() if key not in {"name", "trainable", "dtype"}}
    assert options == expected
    assert not any(isinstance(value, np.generic | np.ndarray) for value in options.values())


def test_learned_parameters_are_saved_as_the_formula_uses_them(tmp_path):
    layer = RationalSS(1.5, 0.8, trainable_a=True, trainable_b=True)
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.a.assign(-0.5)
    layer.b.assign(2.0)
    loaded = reloaded(model, tmp_path)
    np.testing.assert_allclose(loaded(np.float32([[3.0]])), [[-0.5 * 3 / (1 + 2 * 3)]], rtol=1e-6)
    assert loaded.layers[0].get_config()["a"] == 1.5  # where it started


def test_weights_load_from_a_plain_dictionary():
    layer = RationalSS(a=[1.0, 1.0], b=1.0, trainable_a=True, trainable_b=True)
    layer.load_own_variables({"0": np.array([3.0, 4.0]), "1": np.array(0.5)})
    np.testing.assert_allclose(layer(np.float32([[2.0, 2.0]])), [[3.0, 4.0]])
    steepness = PSS(trainable_alpha=True)
    steepness.load_own_variables({"0": np.float32(0.0)})
    np.testing.assert_array_equal(steepness(np.float32([[2.0]])), [[0.5]])


def test_weights_of_another_shape_or_with_a_pole_are_refused():
    layer = RationalSS(trainable_b=True)
    with pytest.raises(ValueError, match=r"pole at \|x\| = 1 / \|b\| = 2"):
        layer.load_own_variables({"0": np.float32(-0.5)})
    with pytest.raises(ValueError, match="shape"):
        PSS([1.0, 2.0], trainable_alpha=True).load_own_variables({"0": np.ones(3)})
    with pytest.raises(ValueError, match="1 variables"):
        layer.load_own_variables({"0": np.ones(()), "1": np.ones(())})
