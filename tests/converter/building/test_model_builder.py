"""From a graph to Keras: names, weights, and errors that say where."""

import itertools

import keras
import numpy as np
import pytest

from converter.activations import PSS
from converter.archive import Weight
from converter.building.model_builder import build, signature
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref
from converter.signature import TensorSpec


def graph_of(*layers, size=4, dtype="float32"):
    names = ["x", *(layer.name for layer in layers)]
    every = {"x": Layer("x", "InputLayer", {"batch_shape": [None, size], "dtype": dtype})}
    every |= {layer.name: layer for layer in layers}
    calls = tuple(Call(after, 0, (Ref(before),)) for before, after in itertools.pairwise(names))
    return Graph("a model", every, calls, (("x", Ref("x")),), (("y", Ref(names[-1])),))


def dense(units=2, size=4, name="dense", **config):
    kernel = np.arange(size * units, dtype=np.float32).reshape(size, units)
    stored = {"vars/0": Weight.of(kernel), "vars/1": Weight.of(np.ones(units, np.float32))}
    return Layer(name, "Dense", {"units": units, **config}, weights=stored)


def test_a_layer_gets_its_weights():
    (answer,) = keras.tree.flatten(build(graph_of(dense()))([np.eye(4, dtype="float32")]))
    np.testing.assert_array_equal(answer.numpy(), np.arange(8).reshape(4, 2) + 1)


def test_the_signature_has_the_public_names():
    graph = graph_of(dense(), Layer("act", "Activation", activations={"activation": PSS(2.0)}))
    names = signature(graph, build(graph))
    assert names.inputs == (TensorSpec("x", (None, 4), "float32"),)
    assert names.outputs == (TensorSpec("y", (None, 2), "float32"),)


@pytest.mark.parametrize("name", ["block/dense", "_dense", "dense:0", "größe", "with space", "a" * 300, "/"])
def test_odd_names_are_made_legal(name):
    other = dense(3, 2, name=name.replace("/", "_") + "_")
    model = build(graph_of(dense(name=name), other))
    assert len({layer.name for layer in model.layers}) == 3


def test_names_that_become_alike_are_told_apart():
    model = build(graph_of(dense(name="a b"), dense(3, 2, name="a_b"), dense(2, 3, name="a/b")))
    assert [layer.name for layer in model.layers[1:]] == ["a_b", "a_b_1", "a_b_2"]


def test_operations_have_the_names_of_the_graph_each_time():
    layer = Layer("twice", "ops.multiply", {"x2": 2.0})
    names = [[operation.name for operation in build(graph_of(layer)).operations] for _ in range(2)]
    assert names == [["x", "twice"]] * 2


@pytest.mark.parametrize(
    ("layer", "error", "text"),
    [
        (dense(2, 5), UnsafeFileError, "its stored weights do not fit its options"),
        (dense().but(weights={}), UnsafeFileError, "stores 0 weights where its options call for 2"),
        (dense(use_bias=False), UnsafeFileError, "stores 2 weights where its options call for 1"),
        (dense(colour="red"), UnsupportedError, "Keras refuses its options"),
        (Layer("c", "Conv2D", {"filters": 2, "kernel_size": 2}), UnsupportedError, "cannot take its input"),
        (
            Layer("act", "Activation", activations={"activation": PSS((1.0, 2.0, 3.0))}),
            UnsupportedError,
            "cannot take its input",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_layer(layer, error, text):
    with pytest.raises(error, match=text) as refusal:
        build(graph_of(layer))
    assert refusal.value.where == f"layer '{layer.name}'"
    assert len(str(refusal.value).splitlines()) == 1


def test_weights_of_a_part_that_is_not_there_are_an_error():
    stored = {f"layer/inner/vars/{index}": weight for index, weight in enumerate(dense().weights.values())}
    layer = Layer("time", "TimeDistributed", {"layer": dense().but(weights={})}, weights=stored)
    graph = graph_of(layer)
    graph = graph.with_layer(graph.layers["x"].but(config={"batch_shape": [None, 3, 4], "dtype": "float32"}))
    with pytest.raises(UnsafeFileError, match="a part 'layer/inner' that it does not have"):
        build(graph)


def test_an_output_that_a_layer_does_not_have_is_an_error():
    graph = graph_of(dense())
    with pytest.raises(UnsafeFileError, match="has no output 3"):
        build(graph.but(outputs=(("y", Ref("dense", 0, 3)),)))
