"""A hint proposes only what can be true, and what it shows can be typed."""

import shlex

import numpy as np
import pytest

from converter.archive import Weight
from converter.description.layer_reader import LayerReader
from converter.description.option_hints import activation_hint, activation_option, activation_or_code_hint
from converter.description.stated_activation import StatedActivation
from converter.errors import UnsupportedError

CODE = "Give the file that defines it: --custom-objects FILE.py."


def refusal(entry, stored=None, name="act"):
    with pytest.raises(UnsupportedError) as caught:
        LayerReader({}, keras_2=False).read(entry, name, stored or {})
    return caught.value


def custom(config, class_name="Mystery"):
    return {"class_name": class_name, "module": None, "registered_name": class_name, "config": config}


def weights(*shapes):
    return {f"vars/{i}": Weight.of(np.ones(shape, np.float32)) for i, shape in enumerate(shapes)}


@pytest.mark.parametrize(
    ("config", "stored", "shown"),
    [
        ({}, (), "pss:alpha=2 (or ss, rational_ss:a=1,b=1)."),
        ({"alpha": 3.0}, (), "pss:alpha=3."),
        ({"alpha": 0.1 + 0.2}, (), "pss:alpha=0.30000000000000004."),
        ({"alpha": [1.0, 2.0]}, (), "pss."),
        ({"alpha": 3.0, "per_channel": True}, ((4,),), "pss."),
        ({"a": 1.5, "b": 0.25}, (), "rational_ss:a=1.5,b=0.25."),
        ({"a": 1.5}, ((4,),), "rational_ss."),
    ],
)
def test_a_formula_is_proposed_with_the_numbers_of_the_layer(config, stored, shown):
    hint = refusal(custom(config), weights(*stored)).hint
    start, end = "If you know the formula, state it: --activation act=", f" Or {CODE[0].lower()}{CODE[1:]}"
    assert hint == f"{start}{shown}{end}"


@pytest.mark.parametrize(
    ("config", "stored", "text"),
    [
        ({"beta": 1.5}, (), "it stores beta=1.5"),
        ({"alpha": 1.0, "beta": 1.5}, (), "it stores alpha=1, beta=1.5"),
        ({"a": 0.2}, (), "it stores a=0.2"),
        ({"alpha": "auto"}, (), "it stores alpha='auto'"),
        ({"units": 8}, ((8, 8), (8,)), "it stores units=8 and 2 weights of shapes (8, 8), (8,)"),
        ({}, ((8,),), "it stores 1 weight of shape (8,)"),
        ({"alpha": 1.0}, ((8, 8),), "it stores alpha=1 and 1 weight of shape (8, 8)"),
        ({"a": 1.0, "b": -1.0}, (), "it stores a=1, b=-1"),
        ({"layer": {"class_name": "Dense", "config": {}}}, (), "it stores layer=Dense"),
        ({"x" * 99: "y" * 99}, (), f"it stores {'x' * 40}='{'y' * 36}..."),
    ],
)
def test_a_formula_that_would_drop_something_is_not_proposed(config, stored, text):
    error = refusal(custom(config), weights(*stored))
    assert error.what == f"is of class 'Mystery', which is not known; {text}"
    assert error.hint == CODE


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ({"class_name": "StringLookup", "module": "keras.layers", "config": {}}, "Leave it out and apply it"),
        ({"class_name": "TextVectorization", "config": {}}, "Leave it out and apply it"),
        ({"class_name": "LocallyConnected1D", "config": {}}, "Rebuild the model without it"),
        ({"class_name": "Wrapper", "module": "keras.layers", "config": {}}, "Rebuild the model without it"),
    ],
)
@pytest.mark.parametrize("stated", [{}, {"act": StatedActivation.parse("ss")}])
def test_nothing_can_be_stated_of_a_layer_of_keras(entry, hint, stated):
    with pytest.raises(UnsupportedError, match="a layer of Keras's own that is not supported") as caught:
        LayerReader(stated, keras_2=False).read(entry, "act", {})
    assert caught.value.hint.startswith(hint)


def test_what_a_hint_shows_is_read_by_a_shell_as_it_is_meant():
    for name in ("my layer", "it's", "outer/inner", "'quoted'", "a$b"):
        typed = activation_option(f"layer '{name}'", "pss:alpha=2")
        assert shlex.split(typed) == ["--activation", f"{name}=pss:alpha=2"]
    assert activation_or_code_hint("layer 'a=b'") == CODE
    assert activation_hint("layer 'a=b'") == ""


def test_a_part_is_named_as_the_command_takes_it():
    inner = {"class_name": "LSTM", "config": {"units": 2, "name": "my lstm", "recurrent_activation": "their"}}
    entry = {"class_name": "Bidirectional", "config": {"layer": inner}}
    assert "--activation 'act/my lstm/recurrent_activation=pss:alpha=2'" in refusal(entry).hint
