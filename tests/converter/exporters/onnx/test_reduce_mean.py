"""Means over several axes in ONNX: onnxruntime adds all numbers of one in a row, so they are taken axis by axis."""

import keras
import numpy as np
import onnx
import pytest

from converter.artefacts.runtimes import open_artefact

layers = keras.layers


def normalised(shape):
    keras.utils.set_random_seed(4)
    x = keras.Input(shape, name="x")
    y = layers.GroupNormalization(2, epsilon=1e-5, name="y")(x)
    return keras.Model([x], [y])


def means(path):
    proto = onnx.load(path)
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "ReduceMean":
            attributes = {a.name: list(a.ints) for a in node.attribute if a.name == "axes"}
            yield attributes.get("axes") or constants[node.input[1]].tolist()


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("shape", [(None, None, 4), (32, 32, 4)])
def test_a_mean_of_many_numbers_or_of_a_free_number_is_taken_axis_by_axis(export, shape, opset):
    path = export(normalised(shape), "onnx", opset=opset)
    assert [len(axes) for axes in means(path)] == [1] * 6
    # Nearly flat, so that the rounding of the mean is divided by next to nothing.
    x = np.random.default_rng(0).normal(7.0, 1e-2, (2, 32, 32, 4)).astype(np.float32)
    grouped = x.astype(np.float64).reshape(2, 32, 32, 2, 2)
    mean, variance = (f(grouped, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.var))
    expected = ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
    answer = open_artefact("onnx", path).run({"x": x})["y"]
    np.testing.assert_allclose(answer, expected, rtol=0, atol=3e-4)  # x itself is rounded by 2e-5 deviations


@pytest.mark.parametrize("keepdims", [False, True])
def test_the_mean_of_a_flat_image_is_exact_whether_its_axes_are_kept_or_not(export, keepdims):
    x = keras.Input((None, None, 3), name="x")
    y = layers.GlobalAveragePooling2D(keepdims=keepdims, name="y")(x)
    path = export(keras.Model([x], [y]), "onnx")
    flat = np.full((1, 300, 300, 3), 0.6234, np.float32)
    answer = open_artefact("onnx", path).run({"x": flat})["y"]
    assert answer.shape == ((1, 1, 1, 3) if keepdims else (1, 3))
    np.testing.assert_allclose(answer.ravel(), np.float64(flat[0, 0, 0]), rtol=5e-6)  # 1e-4 in one go


def test_a_mean_of_few_numbers_stays_one_operator(export):
    assert [len(axes) for axes in means(export(normalised((8, 8, 4)), "onnx"))] == [3, 3]
