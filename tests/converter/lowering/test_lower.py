"""Activations become plain layers; what cannot stand between layers keeps its place."""

import itertools

import pytest

from converter.activations import PSS, SS, PolynomialSS, RationalSS
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering.lower import lower


def graph_of(*layers, calls=None, outputs=None):
    """A chain of layers after an input, or the given calls."""
    names = ["x", *(layer.name for layer in layers)]
    made = calls or tuple(Call(after, 0, (Ref(before),)) for before, after in itertools.pairwise(names))
    every = {"x": Layer("x", "InputLayer", {"batch_shape": [None, 4], "dtype": "float32"})}
    every |= {layer.name: layer for layer in layers}
    return Graph("g", every, made, (("x", Ref("x")),), outputs or (("y", Ref(names[-1])),))


def act(activation, name="act", **more):
    return Layer(name, "Activation", activations={"activation": activation}, **more)


def dense(activation, name="dense"):
    return Layer(name, "Dense", {"units": 4}, activations={"activation": activation})


def shape_of(graph):
    return [(layer.name, layer.kind) for layer in graph.layers.values()]


def test_an_activation_layer_becomes_its_steps():
    lowered = lower(graph_of(act(RationalSS(1.5, 0.75))))
    assert shape_of(lowered.graph)[1:] == [
        ("act_scale", "Rescaling"),
        ("act_softsign", "Activation"),
        ("act_gain", "Rescaling"),
    ]
    assert lowered.graph.layers["act_gain"].config["scale"] == 2.0
    assert lowered.graph.outputs == (("y", Ref("act_gain")),)
    assert lowered.scales == ("act_scale", "act_gain")


def test_an_argument_leaves_its_layer_linear_and_stands_behind_it():
    lowered = lower(graph_of(dense(PSS(3.0)), Layer("next", "ReLU")))
    assert shape_of(lowered.graph)[1:] == [
        ("dense", "Dense"),
        ("dense_scale", "Rescaling"),
        ("dense_sigmoid", "Activation"),
        ("next", "ReLU"),
    ]
    assert lowered.graph.layers["dense"].config == {"units": 4, "activation": "linear"}
    assert lowered.graph.layers["dense"].activations == {}
    assert lowered.graph.calls[-1] == Call("next", 0, (Ref("dense_sigmoid"),))


def test_a_layer_that_is_called_twice_has_steps_that_are_called_twice():
    calls = (Call("dense", 0, (Ref("x"),)), Call("dense", 1, (Ref("dense"),)))
    lowered = lower(graph_of(dense(SS()), calls=calls, outputs=(("y", Ref("dense", 1)),)))
    assert lowered.graph.calls == (
        Call("dense", 0, (Ref("x"),)),
        Call("dense_softsign", 0, (Ref("dense", 0),)),
        Call("dense", 1, (Ref("dense_softsign", 0),)),
        Call("dense_softsign", 1, (Ref("dense", 1),)),
    )
    assert lowered.graph.outputs == (("y", Ref("dense_softsign", 1)),)


def test_a_step_takes_no_name_that_is_taken():
    lowered = lower(graph_of(dense(SS()), Layer("dense_softsign", "ReLU")))
    assert [name for name, _ in shape_of(lowered.graph)] == [
        "x",
        "dense",
        "dense_softsign_1",
        "dense_softsign",
    ]


def test_steps_keep_the_policy_of_their_layer():
    lowered = lower(graph_of(act(PSS(3.0), policy="mixed_float16")))
    assert {layer.policy for layer in lowered.graph.layers.values()} == {"float32", "mixed_float16"}


def test_what_is_done_to_each_step_can_be_done_to_all():
    wrapped = Layer("time", "TimeDistributed", {"layer": dense(PSS(3.0), "time/dense")})
    graph = lower(graph_of(wrapped)).graph
    assert [kind for _, kind in shape_of(graph)] == [
        "InputLayer",
        "TimeDistributed",
        "Rescaling",
        "Activation",
    ]
    assert graph.layers["time"].config["layer"].config["activation"] == "linear"
    alone = Layer("time", "TimeDistributed", {"layer": act(SS(), "time/act", stops_mask=True)})
    assert shape_of(lower(graph_of(alone)).graph)[1:] == [("time_softsign", "Activation")]


@pytest.mark.parametrize(
    ("activation", "name"), [(SS(), "softsign"), (PSS(1.0), "sigmoid"), (RationalSS(), "softsign")]
)
def test_in_a_cell_an_activation_that_is_built_in_gets_its_name(activation, name):
    layer = Layer("lstm", "LSTM", {"units": 2}, activations={"recurrent_activation": activation})
    lowered = lower(graph_of(layer)).graph.layers["lstm"]
    assert (lowered.config["recurrent_activation"], lowered.activations) == (name, {})


@pytest.mark.parametrize("activation", [PSS(3.0), RationalSS(1.5, 0.8), PolynomialSS((0.5, 0.2), 2.0)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_in_a_cell_any_other_activation_stays(activation, wrapped):
    layer = Layer("lstm", "LSTM", {"units": 2}, activations={"activation": activation})
    graph = graph_of(Layer("both", "Bidirectional", {"layer": layer}) if wrapped else layer)
    lowered = lower(graph)
    assert lowered.graph == graph
    assert lowered.scales == ()
    assert "computed there" in lowered.rewrites[0].what


def test_every_rewrite_is_told_with_its_numbers():
    texts = [rewrite.what for rewrite in lower(graph_of(act(RationalSS(1.5, 0.8)))).rewrites]
    assert texts == [
        "1.5 x / (1 + 0.8 |x|) lowered to Rescaling(0.8) -> Activation(softsign) -> Rescaling(1.875)"
    ]


@pytest.mark.parametrize("source", ["Embedding", "Masking", None])
def test_a_mask_is_stopped_only_where_there_can_be_one(source):
    first = Layer("first", source, {"mask_zero": True}) if source else Layer("first", "Embedding", {})
    graph = lower(graph_of(first, act(RationalSS(1.5, 0.8), stops_mask=True))).graph
    stopping = [layer.name for layer in graph.layers.values() if layer.stops_mask]
    assert stopping == (["act_softsign"] if source else [])


def test_a_model_without_our_activations_is_left_as_it_is():
    graph = graph_of(Layer("dense", "Dense", {"units": 2, "activation": "relu"}))
    lowered = lower(graph)
    assert (lowered.graph, lowered.rewrites, lowered.scales) == (graph, (), ())
