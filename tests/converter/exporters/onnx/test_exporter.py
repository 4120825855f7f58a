"""ONNX files: plain operators, names, dimensions, versions, and refusals."""

from dataclasses import replace

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import numpy_helper

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError
from converter.signature import Signature, TensorSpec
from plainserve import __version__

layers = keras.layers


def dense(activation="softsign", scale=1.875):
    keras.utils.set_random_seed(2)
    x = keras.Input((4,), name="x")
    h = layers.Rescaling(scale)(layers.Dense(3, bias_initializer="ones")(x))
    h = layers.Activation(activation)(h)
    return keras.Model([x], [layers.Dense(2, bias_initializer="ones", activation="softmax", name="y")(h)])


def operators(path):
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize(("activation", "operator"), [("softsign", "Softsign"), ("sigmoid", "Sigmoid")])
@pytest.mark.parametrize("opset", [13, 18])
def test_an_activation_is_one_node_and_a_rescaling_one_mul(export, activation, operator, opset):
    path = export(dense(activation), "onnx", opset=opset)
    assert operators(path) == ["MatMul", "Add", "Mul", operator, "MatMul", "Add", "Softmax"]


def test_an_embedding_is_one_gather_and_a_flatten_one_reshape(export):
    x = keras.Input((5,), dtype="int32", name="x")
    model = keras.Model([x], [layers.Flatten(name="y")(layers.Embedding(10, 4)(x))])
    path = export(model, "onnx")
    assert operators(path) == ["Gather", "Reshape"]
    tokens = np.array([[0, 9, -1, -10, 5]], np.int32)
    answer = open_artefact("onnx", path).run({"x": tokens})["y"]
    np.testing.assert_array_equal(answer, keras.ops.convert_to_numpy(model([tokens])))


def test_between_convolution_and_pooling_softsign_costs_no_transposes(export):
    x = keras.Input((8, 8, 3), name="x")
    h = layers.Activation("softsign")(layers.Conv2D(4, 3)(x))
    model = keras.Model([x], [layers.AveragePooling2D(2, name="y")(h)])
    assert operators(export(model, "onnx")) == ["Transpose", "Conv", "Softsign", "AveragePool", "Transpose"]


def test_float_models_hold_no_float64(export):
    proto = onnx.load(export(dense(), "onnx"))
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True).graph
    types = {value.type.tensor_type.elem_type for value in inferred.value_info}
    types |= {tensor.data_type for tensor in proto.graph.initializer}
    assert types == {onnx.TensorProto.FLOAT}


@pytest.mark.parametrize(("opset", "ir"), [(13, 7), (14, 7), (15, 8), (16, 8), (17, 8), (18, 8)])
def test_opset_ir_version_and_producer_are_pinned(export, opset, ir):
    proto = onnx.load(export(dense(), "onnx", opset=opset))
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", opset)]
    assert proto.ir_version == ir
    assert (proto.producer_name, proto.producer_version) == ("plainserve", __version__)
    onnx.checker.check_model(proto, full_check=True)


def dimensions(value):
    return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]


def test_free_dimensions_are_named(export):
    x = keras.Input((None, 3), name="steps")
    model = keras.Model([x], [layers.Dense(2, name="y")(x)])
    graph = onnx.load(export(model, "onnx")).graph
    assert dimensions(graph.input[0]) == ["batch", "steps_dim_1", 3]
    assert dimensions(graph.output[0]) == ["batch", "y_dim_1", 2]


def test_a_static_batch_is_a_number(export):
    x = keras.Input(batch_shape=(4, 3), name="x")
    graph = onnx.load(export(keras.Model([x], [layers.Dense(2, name="y")(x)]), "onnx")).graph
    assert dimensions(graph.input[0]) == [4, 3]
    assert dimensions(graph.output[0]) == [4, 2]


def test_an_unread_input_and_an_output_listed_twice_or_passed_through_are_kept(export):
    x, unread = keras.Input((3,), name="x"), keras.Input((2,), name="unread")
    y = layers.Dense(3)(x)
    f32 = TensorSpec("", (None, 3), "float32")
    signature = Signature(
        (replace(f32, name="unread", shape=(None, 2)), replace(f32, name="x")),
        (replace(f32, name="y"), replace(f32, name="y_1"), replace(f32, name="same")),
    )
    path = export(keras.Model([unread, x], [y, y, x]), "onnx", signature)
    artefact = open_artefact("onnx", path)
    artefact.check()
    given = np.array([[1, -2, 3]], np.float32)
    answers = artefact.run({"x": given, "unread": np.zeros((1, 2), np.float32)})
    assert list(answers) == ["y", "y_1", "same"]
    np.testing.assert_array_equal(answers["same"], given)
    np.testing.assert_array_equal(answers["y"], answers["y_1"])


def test_equal_weights_are_stored_once(export):
    x = keras.Input((3,), name="x")
    twin = [layers.Dense(3, kernel_initializer="ones", bias_initializer="ones") for _ in range(2)]
    proto = onnx.load(export(keras.Model([x], [twin[1](twin[0](x))]), "onnx"))
    assert sorted(numpy_helper.to_array(t).shape for t in proto.graph.initializer) == [(3,), (3, 3)]


def test_the_bytes_do_not_depend_on_what_the_process_did_before(export):
    first = export(dense(), "onnx", stem="first", provenance={"b": 1, "a": 2}).read_bytes()
    for _ in range(3):
        dense()  # Keras's and TensorFlow's counters run on
    assert export(dense(), "onnx", stem="second", provenance={"a": 2, "b": 1}).read_bytes() == first
    assert export(dense(scale=2.0), "onnx", stem="third").read_bytes() != first


def test_nothing_of_tensorflow_or_the_process_is_in_the_file(export):
    data = export(dense(), "onnx").read_bytes()
    for trace in (b"tf2onnx", b"functional", b"ReadVariableOp", b"Identity", b"keras", b"/tmp"):
        assert trace not in data


def test_an_operation_without_counterpart_is_refused_by_name_and_layer(export):
    x = keras.Input((3, 3), name="x")
    q = layers.Lambda(lambda x: tf.linalg.qr(x)[0], output_shape=(3, 3), name="orthogonal")
    with pytest.raises(UnsupportedError, match=r"layer 'orthogonal': operation 'Qr' has no ONNX"):
        export(keras.Model([x], [q(x)]), "onnx")


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "layer", [layers.Conv1D(2, 1, name="y"), layers.Embedding(5, 4, name="y")], ids=["Conv1D", "Embedding"]
)
def test_bfloat16_is_refused_before_the_runtimes_refuse_it(export, layer, policy):
    x = keras.Input((3, 3) if isinstance(layer, layers.Conv1D) else (3,), dtype="float32", name="x")
    made = type(layer).from_config({**layer.get_config(), "dtype": policy})
    with pytest.raises(UnsupportedError, match="layer 'y': computes in bfloat16") as caught:
        export(keras.Model([x], [made(x)]), "onnx")
    assert caught.value.exit_code == 4
    assert "--to saved_model" in caught.value.hint


def test_exporting_prints_nothing(export, capfd):
    export(dense(), "onnx")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("features", [4, 200])
def test_statistics_that_keras_keeps_outside_its_weights_are_in_the_file(export, features):
    statistics = {"mean": np.arange(features, dtype="float32"), "variance": np.full(features, 4.0, "float32")}
    x = keras.Input((features,), name="x")
    path = export(keras.Model([x], [layers.Normalization(**statistics, name="y")(x)]), "onnx")
    (answer,) = open_artefact("onnx", path).run({"x": np.zeros((2, features), np.float32)}).values()
    np.testing.assert_allclose(answer, np.tile(-np.arange(features) / 2, (2, 1)), rtol=1e-6)
    assert [value.name for value in onnx.load(path).graph.input] == ["x"]
