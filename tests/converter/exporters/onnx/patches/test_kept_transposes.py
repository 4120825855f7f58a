"""What follows an image of one pixel is computed over its channels, as Keras does."""

import keras
import numpy as np
import onnx
import pytest
from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

from converter.artefacts.runtimes import open_artefact
from converter.exporters.onnx.patches.kept_transposes import kept_transposes

layers = keras.layers


def square(x):
    return x * x


HEADS = {
    "LayerNormalization": layers.LayerNormalization,
    "RMSNormalization": layers.RMSNormalization,
    "GroupNormalization": lambda: layers.GroupNormalization(2),
    "UnitNormalization": layers.UnitNormalization,
    "a square": lambda: layers.Activation(square),
    "Softmax": layers.Softmax,
    "Flatten": layers.Flatten,
}


@pytest.mark.parametrize("size", [2, 4], ids=["one pixel", "four pixels"])
@pytest.mark.parametrize("head", HEADS)
def test_layers_after_a_convolution_answer_as_keras_at_every_size_of_image(export, head, size):
    keras.utils.set_random_seed(3)
    x = keras.Input((size, size, 3), name="x")
    h = layers.Conv2D(6, 2, strides=2, bias_initializer="random_normal")(x)
    model = keras.Model([x], [layers.Dense(5, name="y")(HEADS[head]()(h))])
    artefact = open_artefact("onnx", export(model, "onnx"))
    artefact.check()
    images = np.random.default_rng(3).standard_normal((3, size, size, 3)).astype(np.float32)
    expected = np.asarray(model([images], training=False))
    np.testing.assert_allclose(artefact.run({"x": images})["y"], expected, rtol=1e-5, atol=1e-5)


def test_the_graph_computes_one_pixel_where_there_is_one(export):
    x = keras.Input((2, 2, 3), name="x")
    h = layers.LayerNormalization()(layers.Conv2D(6, 2)(x))
    graph = onnx.load(export(keras.Model([x], [layers.Dense(5, name="y")(h)]), "onnx")).graph
    sizes = [size.dim_value for size in graph.output[0].type.tensor_type.shape.dim[1:]]
    assert sizes == [1, 1, 5]
    inferred = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph), strict_mode=True).graph
    largest = max(
        np.prod([size.dim_value or 1 for size in value.type.tensor_type.shape.dim])
        for value in inferred.value_info
    )
    assert largest <= 12, "channels times channels: two layouts were mixed"


def test_tf2onnx_is_as_before_afterwards_even_after_an_error():
    before = TransposeOptimizer.post_optimize_action
    with kept_transposes():
        assert TransposeOptimizer.post_optimize_action is not before
    with pytest.raises(KeyError), kept_transposes():
        raise KeyError
    assert TransposeOptimizer.post_optimize_action is before
