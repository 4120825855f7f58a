"""Convolutions in groups: every format that can hold them answers as Keras does."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError
from converter.exporters.onnx.patches.without_xla import without_xla

layers = keras.layers

FLAT = {
    "Conv2D in two groups": (layers.Conv2D, (8, 8, 4), {"filters": 6, "groups": 2, "strides": 2}),
    "Conv2D, a group a channel": (layers.Conv2D, (8, 8, 4), {"filters": 4, "groups": 4, "padding": "same"}),
    "Conv1D in two groups": (layers.Conv1D, (9, 4), {"filters": 6, "groups": 2}),
}
DEEP = {
    "Conv3D in two groups": (layers.Conv3D, (5, 5, 5, 4), {"filters": 6, "groups": 2}),
    "Conv3D in one group": (layers.Conv3D, (5, 5, 5, 4), {"filters": 6}),
}


def convolution(layer, shape, options):
    keras.utils.set_random_seed(3)
    x = keras.Input(shape, name="x")
    y = layer(kernel_size=3, bias_initializer="random_normal", name="y", **options)(x)
    return keras.Model([x], [y]), np.random.default_rng(3).normal(size=(2, *shape)).astype(np.float32)


def assert_answers_as_keras(target, path, model, x):
    answer = open_artefact(target, path).run({"x": x})["y"]
    np.testing.assert_allclose(answer, keras.ops.convert_to_numpy(model([x])), rtol=0, atol=1e-5)


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("case", [*FLAT, *DEEP])
def test_onnx_holds_one_convolution_with_its_groups(export, case, opset):
    layer, shape, options = (FLAT | DEEP)[case]
    model, x = convolution(layer, shape, options)
    path = export(model, "onnx", opset=opset)
    nodes = onnx.load(path).graph.node
    assert {node.op_type for node in nodes} <= {"Add", "Conv", "Transpose", "Squeeze", "Unsqueeze"}
    (conv,) = (node for node in nodes if node.op_type == "Conv")
    assert {a.name: a.i for a in conv.attribute}.get("group", 1) == options.get("groups", 1)
    assert_answers_as_keras("onnx", path, model, x)


@pytest.mark.parametrize("target", ["saved_model", "tflite"])
@pytest.mark.parametrize("case", FLAT)
def test_tensorflow_formats_answer_as_keras(export, case, target):
    model, x = convolution(*FLAT[case])
    assert_answers_as_keras(target, export(model, target), model, x)


def test_a_saved_model_runs_a_conv3d_in_groups(export):
    model, x = convolution(*DEEP["Conv3D in two groups"])
    assert_answers_as_keras("saved_model", export(model, "saved_model"), model, x)


def test_tflite_refuses_a_conv3d_in_groups_by_name_and_takes_it_in_one(export):
    model, _ = convolution(*DEEP["Conv3D in two groups"])
    with pytest.raises(UnsupportedError, match="layer 'y': a Conv3D in 2 groups has no builtin") as caught:
        export(model, "tflite")
    assert caught.value.exit_code == 4
    assert "--to" in caught.value.hint
    model, x = convolution(*DEEP["Conv3D in one group"])
    assert_answers_as_keras("tflite", export(model, "tflite"), model, x)


def marks_of(function):
    graph = function.get_concrete_function().graph.as_graph_def()
    return [f.attr["_XlaMustCompile"].b for f in graph.library.function]


def calls_a_compiled_function():
    return tf.function(lambda: tf.constant(1.0) + 1.0, jit_compile=True)()


def test_xla_is_left_out_while_tracing_and_back_afterwards_even_after_an_error():
    original = tf.function
    with without_xla():
        assert marks_of(original(calls_a_compiled_function)) == [False]
    with pytest.raises(KeyError), without_xla():
        raise KeyError
    assert tf.function is original
    assert marks_of(original(calls_a_compiled_function)) == [True]
