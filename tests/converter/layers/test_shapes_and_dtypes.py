import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from converter.layers import PSS, polynomial_ss, pss, rational_ss, ss


@pytest.mark.parametrize("shape", [(None,), (7,), (None, 5), (None, None, 3), (2, None, None, 4)])
def test_shapes_pass_through_with_their_unknown_axes(any_layer, shape):
    inputs = keras.KerasTensor(shape, "float32")
    layer = any_layer()
    assert layer.compute_output_shape(shape) == shape
    assert layer.compute_output_shape(list(shape)) == shape
    assert layer(inputs).shape == shape


@pytest.mark.parametrize(
    ("policy", "dtype"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("float16", "float16"),
        ("bfloat16", "bfloat16"),
        ("mixed_float16", "float16"),
        ("mixed_bfloat16", "bfloat16"),
    ],
)
@pytest.mark.parametrize("given", ["float32", "float16", "int32"])
def test_the_output_has_the_compute_dtype_whatever_comes_in(any_layer, policy, dtype, given):
    layer = any_layer(dtype=policy)
    assert layer(keras.Input((3,), dtype=given)).dtype == dtype
    assert layer.compute_output_spec(keras.KerasTensor((None, 3), given)).dtype == dtype
    x = np.arange(6).reshape(2, 3).astype(given)
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert y.shape == (2, 3)


def test_an_unknown_size_traces_and_runs(any_layer):
    layer = any_layer()
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 3))])
    for shape in [(1, 1, 3), (4, 2, 3)]:
        x = tf.random.stateless_normal(shape, seed=(1, 2))
        np.testing.assert_allclose(traced(x), layer(x), rtol=1e-6)


def test_a_vector_needs_only_its_own_axis_known():
    assert PSS([1.0, 2.0, 3.0])(keras.Input((None, 3))).shape == (None, None, 3)
    assert PSS([1.0, 2.0], axis=1)(keras.Input((2, None))).shape == (None, 2, None)


def test_a_parameter_per_channel_needs_to_know_the_channels():
    layer = PSS(trainable_alpha=True, axis=-1, name="steep")
    with pytest.raises(
        ValueError, match=r"layer 'steep' learns one parameter per index of axis -1, whose size"
    ):
        layer(keras.Input((3, None)))


def test_functions_keep_symbolic_shapes_and_dtypes():
    inputs = keras.Input((None, 3), dtype="float16")
    for y in (pss(inputs), ss(inputs), rational_ss(inputs), polynomial_ss(inputs, [0.5, 1.0], 2.0)):
        assert y.shape == (None, None, 3)
        assert y.dtype == "float16"


def test_a_binary_crossentropy_still_finds_the_logits():
    # Keras computes that loss from what goes into a sigmoid, where it can: log(1 - 1) is infinite.
    y = pss(tf.constant([[300.0]]))
    loss = keras.losses.BinaryCrossentropy()(np.zeros((1, 1), np.float32), y)
    np.testing.assert_allclose(loss, 600.0, rtol=1e-6)


def test_importing_the_converter_does_not_import_keras():
    code = "import sys, converter; sys.exit(not {'keras', 'tensorflow', 'numpy'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
