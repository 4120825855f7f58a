"""Nodes of Keras 2 that call TensorFlow: what they become, and which are refused."""

import pytest

from converter.description.keras_2 import read_node
from converter.errors import ConversionError, UnsupportedError


def node(function, *first, **arguments):
    """An entry as Keras 2 writes it: the first argument, then all others by name."""
    inbound = [*(first or ("x", 0, 0)), arguments]
    return {
        "class_name": "TFOpLambda",
        "config": {"name": "node", "function": function},
        "inbound_nodes": [inbound],
    }


def read(entry):
    """Function, positional arguments and options of each operation, the node's own last."""
    return [
        (layer.kind.removeprefix("ops."), *call.args[1:], dict(call.kwargs))
        for _, layer, call in read_node(entry, "node", "")
    ]


@pytest.mark.parametrize(
    ("entry", "operations"),
    [
        (node("nn.leaky_relu"), [("leaky_relu", {"negative_slope": 0.2})]),
        (node("nn.gelu"), [("gelu", {"approximate": False})]),
        (node("nn.softmax"), [("softmax", {"axis": -1})]),
        (
            node("math.argmax", axis=-1),
            [("top_k", {"k": 1}), ("squeeze", {"axis": -1}), ("cast", {"dtype": "int64"})],
        ),
        (
            node("math.argmax"),
            [
                ("moveaxis", {"source": 0, "destination": -1}),
                ("top_k", {"k": 1}),
                ("squeeze", {"axis": -1}),
                ("cast", {"dtype": "int64"}),
            ],
        ),
        (node("math.cumsum"), [("cumsum", {"axis": 0})]),
        (node("split", num_or_size_splits=[1, 2, 3], axis=1), [("split", [1, 3], {"axis": 1})]),
        (node("compat.v1.squeeze", axis=[1]), [("squeeze", {"axis": (1,)})]),
        (node("math.reduce_sum", axis=1, keepdims=True), [("sum", {"axis": 1, "keepdims": True})]),
        (node("compat.v1.reduce_sum", keep_dims=True), [("sum", {"axis": None, "keepdims": True})]),
        (node("one_hot", depth=3), [("one_hot", {"num_classes": 3, "axis": -1, "dtype": "float32"})]),
        (node("math.add", y=1.0, name="sum"), [("add", 1.0, {})]),
    ],
    ids=lambda value: value["config"]["function"] if isinstance(value, dict) else "",
)
def test_the_defaults_are_those_of_tensorflow(entry, operations):
    assert read(entry) == operations


def test_a_node_inside_another_model_has_that_models_name():
    made = list(read_node(node("nn.silu", beta=2.0), "node", "outer/"))
    assert [local for local, _, _ in made][-1] == "node"
    assert [layer.name for _, layer, _ in made] == [f"outer/{local}" for local, _, _ in made]
    assert len({local for local, _, _ in made}) == 3


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (node("nn.dropout", rate=0.5), "'nn.dropout', which is not known"),
        (node("io.read_file"), "'io.read_file', which is not known"),
        (node("compat.v1.where", x=["x", 0, 0], y=0.0), "'compat.v1.where', which is not known"),
        (node("math.exp", base=2), "'math.exp' with the argument 'base', which is not known"),
        (node("math.exp", x=["y", 0, 0]), "'math.exp' with the argument 'x', which is not known"),
        (node("__operators__.eq"), "'__operators__.eq' with an argument 'y' that the file does not hold"),
        (node("where"), "'where' with an argument 'x' that the file does not hold"),
        (node("concat", axis=["y", 0, 0]), "'concat' with a tensor as its 'axis', which is not known"),
        (node("math.cumsum", exclusive=True), "'math.cumsum' with True as its 'exclusive'"),
        (node("compat.v1.squeeze"), "'compat.v1.squeeze' without an axis"),
        (node("split", num_or_size_splits=[-1, 2], axis=1), "with a size -1 before the last"),
        (node("compat.v1.gather", indices=["y", 0, 0], axis=1, batch_dims=1), "with 1 as its 'batch_dims'"),
        (node("compat.v1.pad", paddings=[[0, 0]], mode="WRAP"), "with 'wrap' as its 'mode'"),
        (node("compat.v1.pad", paddings=["y", 0, 0]), "with a tensor as its 'paddings'"),
        (node("cast", dtype="string"), "with 'string' as its 'dtype'"),
        (node("compat.v1.transpose", perm=[0, 1], conjugate=True), "with True as its 'conjugate'"),
        (node("one_hot", depth=3, on_value=5.0), "with 5.0 as its 'on_value'"),
        (node("reshape", shape=[["y", 0, 0], -1]), "with a tensor as its 'shape'"),
        (node("tile", multiples=[["y", 0, 0], 1]), "with a tensor as its 'multiples'"),
        (node("__operators__.getitem", slice_spec=[["y", 0, 0]]), "with a tensor as its 'slice_spec'"),
        (node("__operators__.getitem", slice_spec={"start": 0}), "written in an unknown way"),
        (node("strided_slice", begin=[0], end=[1], new_axis_mask=1), "with 1 as its 'new_axis_mask'"),
        (node("math.add", y=[[1.0], [1.0, 2.0]]), "with lists that make no array"),
        (node("math.add", y=[10**400]), "with lists that make no array"),
        (node("math.reduce_sum", keepdims=["y", 0, 0]), "with a tensor as its 'keepdims'"),
        (node("einsum", "_CONSTANT_VALUE", -1, "ij,jk->ik"), "'einsum', which is not known"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(entry, words):
    with pytest.raises(UnsupportedError) as refused:
        read(entry)
    assert words in str(refused.value)
    assert "layer 'node'" in str(refused.value)
    assert "operation of keras.ops" in refused.value.hint


def test_a_property_of_a_ragged_tensor_is_refused():
    entry = {
        "class_name": "InstanceProperty",
        "config": {"name": "node", "attr_name": "flat_values"},
        "inbound_nodes": [["x", 0, 0, {}]],
    }
    with pytest.raises(UnsupportedError, match="takes 'flat_values' of a tensor"):
        read(entry)


def graph_node(op, constants=None, **attributes):
    return {
        "class_name": "TensorFlowOpLayer",
        "config": {"node_def": {"op": op, "attr": attributes}, "constants": constants or {}},
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (graph_node("ReadFile"), "'ReadFile', which is not known"),
        (graph_node("Exp", fast={"b": True}), "'Exp' with the attribute 'fast', which is not known"),
        (graph_node("Exp", {"1": 2.0}), "'Exp' with 2 tensors"),
        (graph_node("Exp", {"-1": 2.0}), "with constants that are written in an unknown way"),
        (graph_node("Squeeze", squeeze_dims={"list": {"i": 5}}), "attributes that are written in an unknown"),
        (graph_node("Squeeze", squeeze_dims={"list": {}}), "'Squeeze' without an axis"),
        ({**graph_node("Exp"), "config": {"node_def": "CgNFeHA="}}, "'', which is not known"),
    ],
)
def test_an_operation_of_the_graph_that_is_not_known_is_refused(entry, words):
    with pytest.raises(UnsupportedError) as refused:
        read(entry)
    assert words in str(refused.value)


@pytest.mark.parametrize("first", [None, 7, "x", {}, ["x"], ["x", -1, 0], [["x", 0, 0], 5]])
@pytest.mark.parametrize("function", ["concat", "math.add", "__operators__.getitem", "compat.v1.pad"])
def test_a_malformed_node_ends_in_a_refusal(function, first):
    entry = {"class_name": "TFOpLambda", "config": {"function": function}, "inbound_nodes": [first]}
    with pytest.raises(ConversionError):
        read(entry)
