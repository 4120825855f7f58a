"""Graphs as values: copies with something changed, and walks."""

import pytest

from converter.activations import SS
from converter.graph import Call, Graph, Layer, Ref, map_refs, refs


@pytest.fixture
def graph():
    """X -> a -> b -> (a again), with b's output and a's first both public."""
    layers = {name: Layer(name, kind) for name, kind in (("x", "InputLayer"), ("a", "Dense"), ("b", "ReLU"))}
    calls = (Call("a", 0, (Ref("x"),)), Call("b", 0, (Ref("a"),)), Call("a", 1, (Ref("b"),)))
    return Graph("g", layers, calls, (("x", Ref("x")),), (("one", Ref("b")), ("two", Ref("a", 1))))


def test_calls_and_takers_are_found(graph):
    assert [call.index for call in graph.calls_of("a")] == [0, 1]
    assert [call.layer for call in graph.consumers(Ref("a"))] == ["b"]
    assert graph.consumers(Ref("a", 1)) == []
    assert graph.is_output(Ref("a", 1))
    assert not graph.is_output(Ref("a", 0))


def test_a_call_that_takes_a_tensor_twice_stands_twice_among_its_takers():
    call = Call("add", 0, ([Ref("x"), Ref("x")],))
    assert Graph("g", {}, (call,), (), ()).consumers(Ref("x")) == [call, call]


def test_without_a_layer_its_takers_take_what_it_took(graph):
    shorter = graph.without("b")
    assert list(shorter.layers) == ["x", "a"]
    assert shorter.calls == (Call("a", 0, (Ref("x"),)), Call("a", 1, (Ref("a"),)))
    assert shorter.outputs == (("one", Ref("a")), ("two", Ref("a", 1)))
    assert list(graph.layers) == ["x", "a", "b"]


def test_with_a_layer_replaced_the_order_stays(graph):
    changed = graph.with_layer(Layer("a", "Conv2D"))
    assert [layer.kind for layer in changed.layers.values()] == ["InputLayer", "Conv2D", "ReLU"]


def test_tensors_are_found_and_replaced_in_any_structure():
    argument = {"q": Ref("a"), "rest": [Ref("b", 1), (Ref("c", 0, 2), 3), slice(1, None), "text"]}
    assert list(refs(argument)) == [Ref("a"), Ref("b", 1), Ref("c", 0, 2)]
    renamed = map_refs(argument, lambda ref: ref.layer.upper())
    assert renamed == {"q": "A", "rest": ["B", ("C", 3), slice(1, None), "text"]}
    call = Call("l", 0, (argument,), {"mask": Ref("m")})
    assert call.sources == (Ref("a"), Ref("b", 1), Ref("c", 0, 2), Ref("m"))
    assert call.mapped(lambda _: Ref("z")).sources == (Ref("z"),) * 4


def test_parts_are_walked_and_replaced():
    cells = [Layer("one", "LSTMCell", activations={"activation": SS()}), Layer("two", "GRUCell")]
    rnn = Layer("rnn", "RNN", {"cell": Layer("stack", "StackedRNNCells", {"cells": cells}), "unroll": True})
    outer = Layer("outer", "Bidirectional", {"layer": rnn})
    assert [layer.name for layer in outer.with_parts()] == ["outer", "rnn", "stack", "one", "two"]
    renamed = rnn.map_parts(lambda part: part.but(name="new"))
    assert [layer.name for layer in renamed.with_parts()] == ["rnn", "new", "one", "two"]
    assert renamed.config["unroll"] is True
