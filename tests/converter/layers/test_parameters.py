"""Every option: fixed and learned, scalar, vector and array, along the last axis and along another."""

import keras
import numpy as np
import pytest

from converter.layers import PSS, RationalSS, pss, rational_ss

X = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)


def test_defaults_are_alpha_2_and_a_and_b_1():
    np.testing.assert_array_equal(PSS()(X), pss(X, 2.0))
    np.testing.assert_array_equal(pss(X), pss(X, 2.0))
    np.testing.assert_array_equal(RationalSS()(X), rational_ss(X, 1.0, 1.0))
    assert PSS().weights == RationalSS().weights == []


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 4), (3, 1), (1, 1, 4)])
def test_values_broadcast_from_the_right(shape, trainable):
    alpha = np.random.default_rng(3).uniform(0.5, 3, shape).astype(np.float32)
    layer = PSS(alpha, trainable_alpha=trainable)
    y = layer(X)
    assert y.shape == X.shape
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-alpha * X)), rtol=1e-5)
    assert [tuple(weight.shape) for weight in layer.weights] == ([shape] if trainable else [])


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(("axis", "aligned"), [(1, (3, 1)), (2, (4,)), (-1, (4,)), (-2, (3, 1))])
def test_a_vector_lies_along_the_axis(axis, aligned, trainable):
    b = np.linspace(0.5, 2, max(aligned))
    layer = RationalSS(2.0, b, trainable_b=trainable, axis=axis)
    expected = 2 * X / (1 + b.reshape(aligned) * np.abs(X))
    np.testing.assert_allclose(layer(X), expected, rtol=1e-5)


@pytest.mark.parametrize(("axis", "channels"), [(1, 3), (2, 4), (-1, 4), (-2, 3)])
def test_a_number_learned_along_an_axis_gets_an_entry_for_each_index(axis, channels):
    layer = PSS(1.5, trainable_alpha=True, axis=axis)
    np.testing.assert_array_equal(layer(X), pss(X, 1.5))
    np.testing.assert_array_equal(layer.alpha, np.full(channels, 1.5))
    start = np.arange(channels, dtype=np.float32)
    layer.alpha.assign(start)
    moved = np.moveaxis(X, axis, -1)
    np.testing.assert_allclose(np.moveaxis(layer(X), axis, -1), 1 / (1 + np.exp(-start * moved)), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"trainable_a": True}, ["a"]),
        ({"trainable_b": True}, ["b"]),
        ({"trainable_a": True, "trainable_b": True}, ["a", "b"]),
        ({"trainable_a": True, "trainable_b": True, "axis": -1}, ["a", "b"]),
        ({"a": 2.0, "b": [1, 2, 3, 4], "trainable_a": True, "trainable_b": True, "axis": -1}, ["b", "a"]),
    ],
)
def test_only_what_is_to_be_learned_becomes_a_weight(options, names):
    layer = RationalSS(**options)
    layer(X)
    assert [weight.name for weight in layer.trainable_weights] == names
    assert layer.non_trainable_weights == []


def test_a_frozen_layer_trains_nothing():
    layer = PSS(trainable_alpha=True, trainable=False)
    assert layer.trainable_weights == []
    assert len(layer.weights) == 1


def test_functions_take_tensors_as_parameters():
    alpha = keras.ops.convert_to_tensor(np.float32([1, 2, 3, 4]))
    np.testing.assert_array_equal(pss(X, alpha), pss(X, [1, 2, 3, 4]))
    symbolic = keras.Input((4,))
    model = keras.Model(symbolic, rational_ss(symbolic, symbolic, keras.ops.abs(symbolic)))
    row = X[0]
    np.testing.assert_allclose(model(row), row * row / (1 + row * row), rtol=1e-6)


def test_a_learned_parameter_is_float32_under_a_mixed_policy():
    layer = PSS(2.1, trainable_alpha=True, dtype="mixed_float16")
    layer(X)
    assert layer.alpha.dtype == "float32"
