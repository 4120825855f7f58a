"""What looks like an activation and is not is refused, with what to type."""

import numpy as np
import pytest

from converter.activations import PSS, SS, PolynomialSS, RationalSS
from converter.archive import Weight
from converter.description.activation_reader import from_lambda
from converter.description.argument_reader import from_argument
from converter.description.class_reader import from_class
from converter.description.layer_reader import LayerReader
from converter.description.stated_activation import StatedActivation
from converter.errors import UnsafeFileError, UnsupportedError, UsageError

WHERE = "layer 'act'"


def weights(*arrays, path="vars/{}"):
    return {
        path.format(index): Weight.of(np.asarray(array, np.float32)) for index, array in enumerate(arrays)
    }


def read(entry, stored=None, **stated):
    reader = LayerReader({name: StatedActivation.parse(text) for name, text in stated.items()}, keras_2=False)
    return reader.read(entry, "act", stored or {})


def custom(class_name, config, **more):
    return {"class_name": class_name, "module": None, "registered_name": class_name, "config": config, **more}


def built_in(class_name, **config):
    return {"class_name": class_name, "module": "keras.layers", "config": config}


@pytest.mark.parametrize(
    ("config", "stored", "expected"),
    [
        ({"alpha": 3.0}, (), PSS(3.0)),
        ({"alpha": 3}, (), PSS(3.0)),
        ({"alpha": {"class_name": "__numpy__", "config": {"value": 1.5, "dtype": "float32"}}}, (), PSS(1.5)),
        ({}, (0.5,), PSS(0.5)),
        ({"alpha": 9.0}, (0.5,), PSS(0.5)),
        ({"alpha": 9.0}, ([0.5],), PSS(0.5)),
        ({}, ([[[1.0, 2.0]]],), PSS((1.0, 2.0))),
        ({"alpha_initializer": {"class_name": "Ones"}}, (0.5,), PSS(0.5)),
        ({"name": "p", "trainable": True, "dtype": "float32", "alpha": 1.0}, (), PSS(1.0)),
    ],
)
@pytest.mark.parametrize("name", ["PSSLayer", "Custom>PSSLayer", "my_package>PSSLayer"])
def test_a_class_has_its_numbers_from_config_or_weights(name, config, stored, expected):
    found = from_class(name, config, weights(*stored), WHERE)
    assert found.activation == expected
    assert "assumed from the class name 'PSSLayer'" in found.why


@pytest.mark.parametrize(
    ("config", "stored", "expected"),
    [
        ({"a": 1.5, "b": 0.5}, (), RationalSS(1.5, 0.5)),
        ({"a": 9.0, "b": 9.0}, (1.5, 0.5), RationalSS(1.5, 0.5)),
        ({}, (1.5, [0.5, 1.0]), RationalSS(1.5, (0.5, 1.0))),
        ({"a": 1.5}, (0.5,), RationalSS(1.5, 0.5)),
        ({"b": 0.5}, (1.5,), RationalSS(1.5, 0.5)),
    ],
)
def test_of_two_parameters_the_weights_are_those_that_the_config_lacks_or_both(config, stored, expected):
    found = from_class("RationalSSLayer", config, weights(*stored), WHERE)
    assert found.activation == expected
    assert ("a, b in this order" in found.why) == (len(stored) == 2)


@pytest.mark.parametrize(
    ("name", "config", "stored"),
    [
        ("PSSLayer", {}, ()),
        ("PSSLayer", {"alpha": 2.0, "beta": 1.0}, ()),
        ("PSSLayer", {"alpha": 2.0}, (1.0, 2.0)),
        ("PSSLayer", {"alpha": 2.0}, (np.ones((3, 2)),)),
        ("PSSLayer", {"alpha": 2.0}, (np.nan,)),
        ("RationalSSLayer", {"a": 1.0, "b": 1.0}, (1.0,)),
        ("RationalSSLayer", {"a": 1.0, "b": -0.5}, ()),
        ("RationalSSLayer", {"a": 1.0}, (-0.5,)),
        ("SSLayer", {"alpha": 1.0}, ()),
        ("SmoothSigmoid", {}, (1.0,)),
        ("PolynomialSS", {"coefficients": [1.0, 2.0], "limit": -1.0}, ()),
        ("PolynomialSS", {"coefficients": 1.0, "limit": 1.0}, ()),
        ("PolynomialSS", {"coefficients": [0.0, 1e30, 1e30], "limit": 1e9}, ()),
        ("plainserve>PSS", {"alpha": 2.0, "trainable_alpha": True, "axis": None}, ()),
        ("plainserve>PSS", {"alpha": [1.0, 2.0], "trainable_alpha": False, "axis": 1}, ()),
    ],
)
def test_a_class_of_a_known_name_that_stores_something_else_is_refused(name, config, stored):
    with pytest.raises(UnsupportedError) as refusal:
        from_class(name, config, weights(*stored), WHERE)
    assert refusal.value.where == WHERE


def test_a_class_with_layers_inside_is_refused():
    with pytest.raises(UnsupportedError, match=r"stores 1 weight of shape \(\);"):
        from_class("PSSLayer", {}, weights(1.0, path="dense/vars/{}"), WHERE)


@pytest.mark.parametrize(
    "alpha", ["2.0", True, None, float("nan"), float("inf"), 10**400, {"x": 1}, [], [1.0, 2.0]]
)
def test_a_parameter_that_is_no_finite_number_makes_the_file_unsafe(alpha):
    with pytest.raises(UnsafeFileError, match="alpha"):
        from_class("PSSLayer", {"alpha": alpha}, {}, WHERE)


@pytest.mark.parametrize("name", ["PSSLayer2", "MyPSS", "pss_layer", "Sigmoid", ""])
def test_a_class_of_another_name_is_not_ours(name):
    assert from_class(name, {"alpha": 2.0}, {}, WHERE) is None


@pytest.mark.parametrize(
    ("value", "activation"),
    [
        ("smooth_sigmoid", SS()),
        ({"class_name": "function", "config": "smooth_sigmoid"}, SS()),
        ({"class_name": "function", "config": "their>smooth_sigmoid"}, SS()),
        ({"class_name": "function", "config": "plainserve>ss"}, SS()),
        ({"class_name": "function", "config": "plainserve>pss"}, PSS(2.0)),
        ({"class_name": "PSSLayer", "config": {"name": "p", "alpha": 3.0}}, PSS(3.0)),
        ({"class_name": "PSS", "registered_name": "plainserve>PSS", "config": {"alpha": 3.0}}, PSS(3.0)),
    ],
)
def test_an_argument_that_is_ours(value, activation):
    assert from_argument(value, {}, WHERE).activation == activation


@pytest.mark.parametrize(("value", "name"), [(None, "linear"), ("relu", "relu"), ("softsign", "softsign")])
def test_an_argument_that_is_a_built_in_function(value, name):
    assert from_argument(value, {}, WHERE) == name


def test_hard_sigmoid_is_another_function_in_keras_2():
    assert from_argument("hard_sigmoid", {}, WHERE) == "hard_sigmoid"
    found = from_argument("hard_sigmoid", {}, WHERE, keras_2=True).activation
    x = np.linspace(-4, 4, 33)
    np.testing.assert_allclose(found.evaluate(x), np.clip(0.2 * x + 0.5, 0, 1), atol=1e-15)


@pytest.mark.parametrize(
    "value",
    [
        "pss",
        "their_function",
        {"class_name": "function", "config": "smooth_sigmoid_2"},
        {"class_name": "function", "config": "plainserve>polynomial_ss"},
        {"class_name": "Swish", "config": {}},
        {"class_name": "__lambda__", "config": {"value": ["AAAA", None, None]}},
        {"value": ["AAAA", None, None]},
        {"value": "AAAA"},
    ],
)
def test_an_argument_that_is_not_known_is_refused_with_what_to_type(value):
    with pytest.raises(UnsupportedError) as refusal:
        from_argument(value, {}, WHERE)
    assert "--activation act=pss:alpha=2" in refusal.value.hint


@pytest.mark.parametrize("value", [3, ["smooth_sigmoid"], {}, True])
def test_an_argument_of_no_known_form_makes_the_file_unsafe(value):
    with pytest.raises(UnsafeFileError):
        from_argument(value, {}, WHERE)


@pytest.mark.parametrize("option", ["arguments", "mask"])
def test_a_lambda_with_further_inputs_is_refused(option):
    with pytest.raises(UnsupportedError, match=option):
        from_lambda({"function": "smooth_sigmoid", option: {"k": 2}}, WHERE)


@pytest.mark.parametrize(
    ("text", "activation"),
    [
        ("pss", PSS(2.0)),
        ("pss:alpha=3", PSS(3.0)),
        ("ss", SS()),
        ("rational_ss:b=0.8,a=1.5", RationalSS(1.5, 0.8)),
        ("polynomial_ss:limit=3,c0=0.5,c2=-0.1", PolynomialSS((0.5, 0.0, -0.1), 3.0)),
    ],
)
def test_a_statement(text, activation):
    assert StatedActivation.parse(text).recognise({}, {}, None, WHERE).activation == activation


@pytest.mark.parametrize(
    "text",
    [
        "", "PSS", "pss:beta=1", "pss:alpha=", "pss:alpha=x", "pss:alpha=nan", "pss:alpha=1,alpha=2", "ss:alpha=1",
        "polynomial_ss", "polynomial_ss:limit=3", "polynomial_ss:c0=1", "polynomial_ss:limit=-1,c0=1",
        "polynomial_ss:limit=1,c99=1", "rational_ss:b=-1",
    ],
)  # fmt: skip
def test_a_statement_that_means_nothing_is_a_usage_error(text):
    with pytest.raises(UsageError, match="--activation"):
        StatedActivation.parse(text)


def test_a_statement_stands_in_for_an_unknown_class():
    layer, found = read(custom("Mystery", {"gain": 3}), act="pss:alpha=3")
    assert layer.activations == {"activation": PSS(3.0)}
    assert layer.weights == {}
    assert found[0].why == "stated by --activation"


def test_a_statement_for_a_wrapper_reaches_the_function_inside_but_not_the_recurrent_one():
    inner = built_in(
        "LSTM", units=2, activation="their_function", recurrent_activation="sigmoid", name="lstm"
    )
    layer, _ = read(built_in("Bidirectional", layer=inner), act="ss")
    assert layer.config["layer"].activations == {"activation": SS()}
    assert layer.config["layer"].config["recurrent_activation"] == "sigmoid"


def test_the_recurrent_function_has_a_name_of_its_own():
    entry = built_in("LSTM", units=2, activation="tanh", recurrent_activation="their_function")
    with pytest.raises(UnsupportedError, match="their_function") as refusal:
        read(entry)
    assert "--activation act/recurrent_activation=" in refusal.value.hint
    layer, _ = read(entry, **{"act/recurrent_activation": "ss"})
    assert layer.activations == {"recurrent_activation": SS()}


def test_a_statement_for_a_layer_without_activation_is_refused():
    with pytest.raises(UnsupportedError, match="takes no activation to state"):
        read(built_in("Flatten"), act="ss")


@pytest.mark.parametrize(
    ("entry", "error", "text"),
    [
        (custom("Mystery", {}), UnsupportedError, "of class 'Mystery'"),
        (custom("Functional", {}), UnsupportedError, "a subclassed model"),
        (custom("TFSMLayer", {}), UnsupportedError, "of class"),
        (built_in("TorchModuleWrapper"), UnsupportedError, "of class"),
        (built_in("LSTMCell", units=2), UnsupportedError, "of class 'LSTMCell'"),
        (built_in("StringLookup"), UnsupportedError, "of class 'StringLookup'"),
        (built_in("Dense", units={"class_name": "x"}), UnsupportedError, "option 'units' holds an object"),
        (built_in("Dense", units=2, dtype="complex64"), UnsupportedError, "dtype policy"),
        (built_in("LSTM", units=2, stateful=True), UnsupportedError, "stateful=True"),
        (built_in("LSTM", units=2, time_major=True), UnsupportedError, "time_major=True"),
        (built_in("DepthwiseConv2D", kernel_size=2, groups=2), UnsupportedError, "groups=2"),
        (built_in("TimeDistributed", layer=built_in("Sequential")), UnsupportedError, "wraps a whole model"),
        (built_in("TimeDistributed", layer="Dense"), UnsafeFileError, "is not an object"),
        (built_in("RNN", cell=built_in("TheirCell")), UnsupportedError, "of class 'TheirCell'"),
        (
            {"class_name": "Dense", "module": "their.layers", "config": {}},
            UnsupportedError,
            "of class 'Dense'",
        ),
        ({"class_name": "Custom>Dense", "config": {}}, UnsupportedError, "of class 'Custom>Dense'"),
        ({"config": {}}, UnsafeFileError, "no class name"),
        ({"class_name": "Dense", "module": "keras.layers"}, UnsafeFileError, "no config"),
    ],
)
def test_a_layer_that_is_not_built_is_named(entry, error, text):
    with pytest.raises(error, match=text) as refusal:
        read(entry)
    assert "'act" in refusal.value.where


def test_wrappers_do_not_nest_without_end():
    entry = built_in("Dense", units=2)
    for _ in range(50):
        entry = built_in("TimeDistributed", layer=entry)
    with pytest.raises(UnsafeFileError, match="wraps layers deeper"):
        read(entry)
