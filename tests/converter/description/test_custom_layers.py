"""A class of a known name, with options that say how it keeps its parameters."""

import numpy as np
import pytest

from converter.activations import PSS, SS, RationalSS
from converter.archive import Weight
from converter.basis import Basis
from converter.description.class_reader import from_class, read_class
from converter.errors import UnsafeFileError, UnsupportedError

WHERE = "layer 'act'"


def weights(*arrays):
    return {f"vars/{index}": Weight.of(np.asarray(array, np.float32)) for index, array in enumerate(arrays)}


CHANNELS = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("name", "config", "stored", "shape", "expected"),
    [
        ("PSSLayer", {"alpha": 1.0, "per_channel": False}, (0.5,), (None, 3), PSS(0.5)),
        ("PSSLayer", {"alpha": 1.0, "per_channel": True}, (CHANNELS,), (None, 3), PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"alpha": 1.0, "per_channel": False}, (), (None, 3), PSS(1.0)),
        ("PSSLayer", {"units": 3}, (CHANNELS,), None, PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"units": 3}, ([0.5],), None, PSS(0.5)),
        ("PSSLayer", {"shared_axes": [1, 2]}, ([[CHANNELS]],), (None, 4, 4, 3), PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"shared_axes": 1}, ([CHANNELS],), None, PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"shared_axes": [-2]}, ([CHANNELS],), None, PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"shared_axes": None}, (CHANNELS,), (None, 3), PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {}, ([[[CHANNELS]]],), (None, 4, 4, 3), PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"axis": -1}, (CHANNELS,), None, PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"axis": 3}, (CHANNELS,), (None, 4, 4, 3), PSS((1.0, 2.0, 3.0))),
        ("PSSLayer", {"alpha": 2.0, "trainable_alpha": False}, (), None, PSS(2.0)),
        ("PSSLayer", {"alpha": 2.0, "trainable_alpha": True}, (0.5,), None, PSS(0.5)),
        ("PSSLayer", {"alpha": 2.0, "learnable": True}, (0.5,), None, PSS(0.5)),
        (
            "PSSLayer",
            {"alpha_initializer": {"class_name": "Ones"}, "num_parameters": 1},
            (0.5,),
            None,
            PSS(0.5),
        ),
        ("PSSLayer", {"alpha": 2.0, "alpha_regularizer": None}, (), None, PSS(2.0)),
        ("SSLayer", {"axis": -1, "units": 3}, (), None, SS()),
        (
            "RationalSS",
            {"a": 1.0, "b": 1.0, "per_channel": True},
            (CHANNELS, CHANNELS),
            (None, 5, 3),
            RationalSS((1.0, 2.0, 3.0), (1.0, 2.0, 3.0)),
        ),
        (
            "RationalSS",
            {"a": 1.5, "b": 1.0, "trainable_a": False, "trainable_b": True},
            (0.5,),
            None,
            RationalSS(1.5, 0.5),
        ),
    ],
)
def test_options_that_agree_with_what_is_stored_may_stand_there(name, config, stored, shape, expected):
    found = from_class(name, config, weights(*stored), WHERE, shape)
    assert found.activation == expected
    assert found.basis is Basis.ASSUMED
    assert len(found.learned) == len(stored)


def test_the_reason_names_what_was_taken_and_what_was_left_aside():
    config = {"alpha": 1.0, "per_channel": True, "units": 3, "alpha_initializer": {"class_name": "Ones"}}
    assert from_class("PSSLayer", config, weights(CHANNELS), WHERE).why == (
        "formula assumed from the class name 'PSSLayer', its weight to be alpha; "
        "per_channel=True, units=3 left aside"
    )


@pytest.mark.parametrize(
    ("config", "stored", "shape"),
    [
        ({"beta": 1.0}, (0.5,), None),
        ({"beta": 0.0}, (0.5,), None),
        ({"gamma": 1}, (0.5,), None),
        ({"clip": True}, (0.5,), None),
        ({"normalize": False}, (0.5,), None),
        ({"mode": "channel"}, (0.5,), None),
        ({"per_channel": True}, (), None),
        ({"per_channel": 0.5}, (0.5,), None),
        ({"per_channel": [1]}, (0.5,), None),
        ({"per_channel": False}, (CHANNELS,), None),
        ({"trainable_alpha": True}, (), None),
        ({"learnable": "yes"}, (0.5,), None),
        ({"alpha_initializer": {"class_name": "Ones"}}, (), None),
        ({"units": 4}, (CHANNELS,), None),
        ({"units": 0.5}, (0.5,), None),
        ({"units": True}, (0.5,), None),
        ({"shared_axes": [2]}, ([CHANNELS],), None),
        ({"shared_axes": [3]}, ([CHANNELS],), None),
        ({"shared_axes": [1]}, (CHANNELS,), None),
        ({"shared_axes": [0]}, ([CHANNELS],), None),
        ({"shared_axes": "all"}, ([CHANNELS],), None),
        ({"axis": 1}, (CHANNELS,), None),
        ({"axis": 1}, (CHANNELS,), (None, 3, 3)),
        ({"axis": [1, 2]}, (CHANNELS,), (None, 3, 3)),
        ({}, (np.ones((4, 4, 3)),), (None, 4, 4, 3)),
        ({}, (np.ones((3, 1, 1)),), (None, 4, 4, 3)),
        ({}, (CHANNELS,), (None, 1)),
        ({}, (CHANNELS,), (None, 4)),
        ({}, ([[[CHANNELS]]],), (None, 3)),
    ],
)
def test_options_that_may_be_part_of_the_formula_or_do_not_fit_are_refused(config, stored, shape):
    with pytest.raises(UnsupportedError) as refusal:
        from_class("PSSLayer", {"alpha": 2.0, **config}, weights(*stored), WHERE, shape)
    assert refusal.value.where == WHERE
    assert "--activation" not in refusal.value.hint or not config


def test_a_class_that_stores_a_function_applies_it():
    entry = {"class_name": "SS", "module": None, "config": {"name": "x", "activation": "smooth_sigmoid"}}
    found = read_class(entry, {}, WHERE)
    assert (found.activation, found.basis) == (SS(), Basis.ASSUMED)
    assert found.why.startswith("class 'SS' assumed to apply only the function that it stores: ")
    assert "'smooth_sigmoid'" in found.why


@pytest.mark.parametrize("name", ["MyAct", "pkg>MyAct", "SS"])
def test_a_class_that_stores_a_function_of_keras_is_assumed_too(name):
    entry = {"class_name": "MyAct", "module": None, "registered_name": name, "config": {"activation": "tanh"}}
    found = read_class(entry, {}, WHERE)
    assert (found.activation.formula, found.basis) == ("tanh(x)", Basis.ASSUMED)
    assert "'tanh' is Keras's own" in found.why


@pytest.mark.parametrize(
    "config",
    [
        {"activation": "their_function"},
        {"activation": "tanh", "alpha": 2.0},
        {"activation": "tanh", "units": 3},
        {"activation": {"class_name": "LeakyReLU", "module": "keras.layers", "config": {}}},
        {"activation": 3},
        {"function": "tanh"},
    ],
)
def test_a_class_that_stores_something_else_is_not_known(config):
    with pytest.raises((UnsupportedError, UnsafeFileError)):
        read_class({"class_name": "MyAct", "module": None, "config": config}, {}, WHERE)
