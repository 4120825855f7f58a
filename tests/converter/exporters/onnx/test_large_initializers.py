"""Large weights that tf2onnx never sees: which they are, what becomes of them, and that answers stay the same."""

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.artefacts.runtimes import open_artefact
from converter.exporters.onnx import large_initializers, tf2onnx_conversion
from converter.exporters.onnx.large_initializers import LargeWeight, add_placeholders, large_variables

layers = keras.layers
KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
WEIGHT = LargeWeight(KERNEL.shape, TensorProto.FLOAT, lambda: KERNEL, "mark")


def integers(*numbers):
    return {"numbers": np.array(numbers, np.int64)}


@pytest.mark.parametrize(
    ("node", "constants", "expected"),
    [
        (helper.make_node("Transpose", ["w"], ["v"], perm=[2, 0, 1]), {}, KERNEL.transpose(2, 0, 1)),
        (helper.make_node("Transpose", ["w"], ["v"]), {}, KERNEL.T),
        (helper.make_node("Cast", ["w"], ["v"], to=TensorProto.FLOAT16), {}, KERNEL.astype(np.float16)),
        (helper.make_node("Reshape", ["w", "numbers"], ["v"]), integers(6, 4), KERNEL.reshape(6, 4)),
        (helper.make_node("Reshape", ["w", "numbers"], ["v"]), integers(0, -1), KERNEL.reshape(2, 12)),
        (helper.make_node("Unsqueeze", ["w", "numbers"], ["v"]), integers(0, 2), KERNEL[None, :, None]),
    ],
    ids=["Transpose", "reversed", "Cast", "Reshape", "kept and free sizes", "Unsqueeze"],
)
def test_what_a_node_makes_of_a_weight_is_what_numpy_makes_of_it(node, constants, expected):
    after = WEIGHT.after(node, constants)
    assert after.shape == expected.shape
    assert after.element_type == helper.np_dtype_to_tensor_dtype(expected.dtype)
    np.testing.assert_array_equal(after.read(), expected)
    assert after.read().dtype == expected.dtype
    assert after.mark != WEIGHT.mark


def test_squeeze_takes_out_the_axes_that_it_names():
    column = LargeWeight((1, 24, 1), TensorProto.FLOAT, lambda: KERNEL.reshape(1, 24, 1), "mark")
    after = column.after(helper.make_node("Squeeze", ["w", "numbers"], ["v"]), integers(0))
    assert after.shape == (24, 1)
    np.testing.assert_array_equal(after.read(), KERNEL.reshape(24, 1))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("MatMul", ["w", "x"], ["v"]),
        helper.make_node("Relu", ["w"], ["v"]),
        helper.make_node("Reshape", ["w", "computed"], ["v"]),
        helper.make_node("Squeeze", ["w"], ["v"]),
    ],
    ids=["MatMul", "Relu", "Reshape to a computed shape", "Squeeze of whatever is 1"],
)
def test_what_is_no_change_of_form_or_not_known_yet_is_left_to_the_runtime(node):
    assert WEIGHT.after(node, {}) is None


def graph_with_weights():
    """``a`` is used as it is and transposed twice over; ``b`` is used as it is."""
    nodes = [
        helper.make_node("Transpose", ["a"], ["t"], perm=[1, 0]),
        helper.make_node("Cast", ["t"], ["c"], to=TensorProto.DOUBLE),
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("MatMul", ["h", "t"], ["i"]),
        helper.make_node("MatMul", ["i", "b"], ["y"]),
        helper.make_node("Cast", ["y"], ["z"], to=TensorProto.DOUBLE),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in {"x": [None, 2], "a": [2, 3], "b": [2, 2]}.items()
    ]
    return helper.make_graph(nodes, "model", values, [], [])


class Variable:
    """What is read of a Keras variable."""

    def __init__(self, array):
        self.value = array


def test_stand_ins_take_the_places_of_inputs_and_of_what_is_made_of_them():
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 2), np.float32)
    graph = graph_with_weights()
    weights = add_placeholders(graph, {"a": Variable(a), "b": Variable(b)})
    assert [value.name for value in graph.input] == ["x"]
    assert [node.op_type for node in graph.node] == ["MatMul", "MatMul", "MatMul", "Cast"]
    read = {tensor.name: weights[tensor.raw_data].read() for tensor in graph.initializer}
    assert {name: array.dtype.name for name, array in read.items()} == {
        "a": "float32", "b": "float32", "t": "float32", "c": "float64",
    }  # fmt: skip
    for name, expected in {"a": a, "b": b, "t": a.T, "c": a.T}.items():
        np.testing.assert_array_equal(read[name], expected)
    for tensor in graph.initializer:
        assert tuple(tensor.dims) == read[tensor.name].shape


def test_an_input_that_is_no_weight_stays_one():
    graph = graph_with_weights()
    assert add_placeholders(graph, {}) == {}
    assert [value.name for value in graph.input] == ["x", "a", "b"]
    assert len(graph.node) == 6


def test_withheld_are_large_floats_each_once_but_not_those_of_loops():
    x = keras.Input((None, 512), name="x")
    shared, plain = layers.Dense(512, name="shared"), layers.Dense(511, use_bias=False, name="small")
    h = shared(shared(x))
    h = layers.LSTM(512, name="loop")(h)
    model = keras.Model([x], [plain(h), layers.Dense(512, dtype="float16", name="half")(h)])
    assert [variable.path for variable in large_variables(model)] == ["shared/kernel"]
    assert large_initializers.LEAST_BYTES == 512 * 512 * 4


def dense_and_convolutions():
    x = keras.Input((8, 8, 3), name="x")
    h = layers.Conv2D(4, 3, activation="relu")(x)
    h = layers.SeparableConv2D(6, 3)(h)
    h = layers.BatchNormalization()(layers.Conv2DTranspose(3, 2)(h))
    return keras.Model([x], [layers.Dense(2, name="y")(layers.Flatten()(h))])


def embedding_and_attention():
    x = keras.Input((5,), dtype="int32", name="x")
    h = layers.Embedding(10, 8)(x)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
    h = layers.EinsumDense("abc,cd->abd", (None, 6))(h)
    return keras.Model([x], [layers.Dense(2, name="y")(layers.GlobalAveragePooling1D()(h))])


def mixed_precision():
    x = keras.Input((6,), name="x")
    h = layers.Dense(5, dtype="mixed_float16")(x)
    return keras.Model([x], [layers.Dense(2, name="y", dtype="float32")(h)])


@pytest.mark.parametrize("make", [dense_and_convolutions, embedding_and_attention, mixed_precision])
def test_answers_do_not_depend_on_which_weights_are_withheld(export, monkeypatch, make):
    keras.utils.set_random_seed(5)
    model = make()
    generator = np.random.default_rng(5)
    for variable in model.trainable_variables:  # a bias of zeros is left out, equal ones are stored once
        variable.assign(generator.uniform(0.1, 0.3, variable.shape))
    shape = (3, *model.inputs[0].shape[1:])
    kind = model.inputs[0].dtype
    x = generator.uniform(0, 9, shape).astype(kind)
    answers, sizes = [], []
    for least in (1, 1 << 40):
        monkeypatch.setattr(large_initializers, "LEAST_BYTES", least)
        assert bool(large_variables(model)) == (least == 1)
        path = export(model, "onnx", stem=f"from_{least}")
        artefact = open_artefact("onnx", path)
        artefact.check()
        answers.append(artefact.run({"x": x})["y"])
        sizes.append(sum(numpy_helper.to_array(t).nbytes for t in onnx.load(path).graph.initializer))
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(answers[0], np.asarray(model([x], training=False)), rtol=1e-3, atol=1e-3)
    assert sizes[0] <= 1.1 * sizes[1], "a weight is stored in two forms"


def test_tf2onnx_does_not_see_them(export, monkeypatch):
    monkeypatch.setattr(large_initializers, "LEAST_BYTES", 1)
    seen = []
    convert = tf2onnx_conversion.tf2onnx.convert.from_function

    def watched(function, specs, **options):
        proto, storage = convert(function, specs, **options)
        seen.extend(tuple(tensor.dims) for tensor in proto.graph.initializer)
        return proto, storage

    monkeypatch.setattr(tf2onnx_conversion.tf2onnx.convert, "from_function", watched)
    x = keras.Input((37,), name="x")
    path = export(keras.Model([x], [layers.Dense(41, name="y")(x)]), "onnx")
    assert (37, 41) not in seen
    assert (37, 41) in [tuple(tensor.dims) for tensor in onnx.load(path).graph.initializer]
