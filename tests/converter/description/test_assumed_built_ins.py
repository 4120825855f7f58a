"""What was taken as Keras's own by its name is told: a user's function of that name would be written alike."""

import pytest

from converter.description.assumed_built_ins import AssumedBuiltIn, layers_by_name
from converter.description.layer_reader import LayerReader
from converter.description.stated_activation import StatedActivation


def keras_layer(class_name, **config):
    return {"class_name": class_name, "module": "keras.layers", "config": config}


def taken(entry, *, keras_2=False, **stated):
    reader = LayerReader(
        {name: StatedActivation.parse(text) for name, text in stated.items()}, keras_2=keras_2
    )
    reader.read(entry, "act", {})
    return [(each.layer, each.argument, each.name) for each in reader.assumed_built_ins]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (keras_layer("Dense", units=2, activation="swish"), [("act", "activation", "swish")]),
        (keras_layer("Activation", activation="gelu"), [("act", "activation", "gelu")]),
        (
            keras_layer("Activation", activation={"class_name": "function", "config": "gelu"}),
            [("act", "activation", "gelu")],
        ),
        (
            keras_layer("LSTM", units=2, activation="tanh", recurrent_activation="sigmoid"),
            [("act", "activation", "tanh"), ("act", "recurrent_activation", "sigmoid")],
        ),
        (
            keras_layer("TimeDistributed", layer=keras_layer("Dense", name="d", units=2, activation="mish")),
            [("act/d", "activation", "mish")],
        ),
        (
            keras_layer("Dense", units=2, activation=keras_layer("Activation", name="a", activation="relu")),
            [("act/a", "activation", "relu")],
        ),
        (keras_layer("Dense", units=2, activation="linear"), []),
        (keras_layer("Dense", units=2, activation=None), []),
        (keras_layer("Dense", units=2, activation="smooth_sigmoid"), []),
        (keras_layer("ReLU"), []),
    ],
)
def test_a_bare_name_is_listed_with_its_layer(entry, expected):
    assert taken(entry) == expected


def test_hard_sigmoid_of_keras_2_is_listed_and_what_is_stated_is_not():
    entry = keras_layer("Dense", units=2, activation="hard_sigmoid")
    assert taken(entry, keras_2=True) == [("act", "activation", "hard_sigmoid")]
    assert taken(entry, act="ss") == []


def test_the_layers_of_a_name_are_listed_once():
    names = [AssumedBuiltIn("b", "activation", "tanh"), AssumedBuiltIn("a", "activation", "relu")]
    names += [AssumedBuiltIn("b", "recurrent_activation", "tanh"), AssumedBuiltIn("c", "activation", "tanh")]
    assert layers_by_name(names) == {"tanh": ["b", "c"], "relu": ["a"]}
    assert names[0].to_json() == {"layer": "b", "argument": "activation", "name": "tanh"}
