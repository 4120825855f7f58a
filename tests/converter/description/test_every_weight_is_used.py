"""Whatever a layer is and whatever is stated of it: a weight that it stores is used, or the layer is refused."""

import json
import zipfile

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.activations import PSS, RationalSS
from converter.archive import Weight, open_archive
from converter.basis import Basis
from converter.building.model_builder import build
from converter.description import InputShapes, describe
from converter.description.layer_reader import LayerReader
from converter.description.stated_activation import StatedActivation
from converter.description.weight_shapes import require_fitting_weights
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref


def weights(**arrays):
    """By path, with ``__`` for ``/``."""
    return {key.replace("__", "/"): Weight.of(np.asarray(array, np.float32)) for key, array in arrays.items()}


TWO = weights(vars__0=np.ones((8, 8)), vars__1=np.ones(8))
ONE = weights(vars__0=[1.0, 2.0, 3.0])


def read(entry, stored, **stated):
    reader = LayerReader({name: StatedActivation.parse(text) for name, text in stated.items()}, keras_2=False)
    return reader.read(entry, "act", stored)


def custom(class_name="Mystery", **config):
    return {"class_name": class_name, "module": None, "registered_name": class_name, "config": config}


def keras_layer(class_name, module="keras.layers", **config):
    return {"class_name": class_name, "module": module, "config": config}


LAMBDA = keras_layer("Lambda", function="smooth_sigmoid")
HOLDERS = {
    "a class": custom(units=8),
    "a class of a known name": custom("PSSLayer", alpha=2.0),
    "a class that applies a stored function": custom("SS", activation="tanh"),
    "a Lambda": LAMBDA,
    "a wrapped class": keras_layer("TimeDistributed", layer=custom(units=8)),
    "a wrapped Lambda": keras_layer("TimeDistributed", layer=LAMBDA),
    "augmentation": keras_layer("RandomFlip", mode="horizontal"),
    "stochastic depth": keras_layer("StochasticDepth", "keras.src.applications.convnext", drop_path_rate=0.1),
    "a function as an argument": keras_layer("Dense", units=8, activation="smooth_sigmoid"),
    "a built-in function as an argument": keras_layer("Dense", units=8, activation="relu"),
    "a class as an argument": keras_layer("Dense", units=8, activation=custom("PSSLayer", alpha=2.0)),
    "a class as an argument in a cell": keras_layer("LSTM", units=8, activation=custom("SSLayer")),
}
PLACES = {
    "a wrapped class": "layer/",
    "a wrapped Lambda": "layer/",
    **dict.fromkeys((holder for holder in HOLDERS if "argument" in holder), "activation/"),
    "a class as an argument in a cell": "cell/activation/",
}


@pytest.mark.parametrize("stated", [None, "ss", "pss", "pss:alpha=2", "rational_ss:a=1,b=1"])
@pytest.mark.parametrize("holder", HOLDERS)
def test_weights_without_a_place_are_refused_whatever_is_stated(holder, stated):
    stored = {PLACES.get(holder, "") + path: weight for path, weight in TWO.items()}
    with pytest.raises(UnsupportedError) as refusal:
        read(HOLDERS[holder], stored, **({"act": stated} if stated else {}))
    assert "(8, 8), (8,)" in refusal.value.what
    assert "'act" in refusal.value.where
    assert "--activation" not in refusal.value.hint


def test_a_weight_of_a_layer_inside_is_no_parameter():
    with pytest.raises(UnsupportedError, match="which the stated pss does not use"):
        read(custom(), weights(dense__vars__0=1.0), act="pss")


@pytest.mark.parametrize("entry", [custom("PSSLayer", alpha=2.0), keras_layer("RandomFlip"), LAMBDA])
def test_the_state_of_random_numbers_may_go(entry):
    state = {"seed_generator/vars/0": Weight.of(np.zeros(2, np.uint32))}
    assert read(entry, state)[0].weights == {}
    with pytest.raises(UnsupportedError, match="1 weight of shape"):
        read(entry, weights(my_seed_generator__vars__0=[1.0, 2.0]))


def test_a_statement_takes_the_number_that_it_leaves_from_the_weight_before_the_config():
    layer, found = read(custom(alpha=9.0, gain=1.5), ONE, act="pss")
    assert layer.activations == {"activation": PSS((1.0, 2.0, 3.0))}
    assert found[0].why == "stated by --activation, alpha from its stored weight"
    assert found[0].basis is Basis.STATED


@pytest.mark.parametrize(
    ("config", "stored", "stated", "activation", "why"),
    [
        ({"alpha": 3.0}, {}, "pss", PSS(3.0), ", alpha 3 from its config"),
        ({"gain": 3.0}, {}, "pss", PSS(2.0), ", alpha 2, the default"),
        ({"alpha": None}, {}, "pss", PSS(2.0), ", alpha 2, the default"),
        ({"alpha": [1.0, 2.0]}, {}, "pss", PSS((1.0, 2.0)), ", alpha [1 .. 2] from its config"),
        ({"alpha": 3.0}, {}, "pss:alpha=4", PSS(4.0), ""),
        ({"a": 1.5}, {}, "rational_ss:b=2", RationalSS(1.5, 2.0), ", a 1.5 from its config"),
        (
            {"a": 1.5},
            weights(vars__0=0.5),
            "rational_ss",
            RationalSS(1.5, 0.5),
            ", b from its stored weight, a 1.5 from its config",
        ),
        (
            {},
            weights(vars__0=0.5, vars__1=0.25),
            "rational_ss",
            RationalSS(0.5, 0.25),
            ", a from its stored weight, b from its stored weight",
        ),
        ({}, weights(vars__0=0.5), "rational_ss:a=3", RationalSS(3.0, 0.5), ", b from its stored weight"),
        (
            {"a": 9.0, "b": 0.1, "trainable_a": True},
            weights(vars__0=0.5),
            "rational_ss",
            RationalSS(0.5, 0.1),
            ", a from its stored weight, b 0.1 from its config",
        ),
    ],
)
def test_a_statement_may_leave_numbers_to_the_layer(config, stored, stated, activation, why):
    layer, found = read(custom(**config), stored, act=stated)
    assert layer.activations == {"activation": activation}
    assert found[0].why == f"stated by --activation{why}"


def test_a_statement_takes_the_numbers_of_a_lambda_from_its_arguments():
    entry = keras_layer("Lambda", function="their_function", arguments={"alpha": 3.0})
    _, found = read(entry, {}, act="pss")
    assert found[0].activation == PSS(3.0)
    assert found[0].why == "stated by --activation, alpha 3 from its config"


def test_a_statement_reaches_the_numbers_of_a_layer_that_stands_as_an_argument():
    entry = keras_layer("Dense", units=3, activation=custom(alpha=9.0))
    stored = {f"activation/{path}": weight for path, weight in ONE.items()}
    kernel = weights(vars__0=np.ones((2, 3)), vars__1=np.ones(3))
    layer, found = read(entry, {**kernel, **stored}, act="pss")
    assert layer.activations == {"activation": PSS((1.0, 2.0, 3.0))}
    assert layer.weights == kernel
    assert found[0].learned == tuple(ONE.values())


@pytest.mark.parametrize(
    ("config", "stored", "stated", "what", "hint"),
    [
        ({}, ONE, "pss:alpha=2", "which the stated sigmoid(2 x) does not use", "--activation act=pss."),
        ({}, ONE, "ss", "which the stated x / (1 + |x|) does not use", "--custom-objects"),
        ({}, ONE, "polynomial_ss:limit=1,c0=1", "does not use", "--custom-objects"),
        ({}, ONE, "rational_ss", "which may be any of a, b", "--activation act=rational_ss:b=1."),
        ({}, weights(vars__0=np.ones((3, 2))), "pss", "more than the last axis", ""),
        ({}, weights(vars__0=np.nan), "pss", "NaN", ""),
        ({}, weights(vars__0=[1.0, -2.0]), "rational_ss:a=1", "divides by zero", ""),
        ({"alpha": "big"}, {}, "pss", "its config has no number to take", "--activation act=pss:alpha=1."),
    ],
)
def test_a_statement_that_does_not_fit_what_is_stored_is_refused(config, stored, stated, what, hint):
    with pytest.raises(UnsupportedError) as refusal:
        read(custom(**config), stored, act=stated)
    assert what in refusal.value.what
    assert hint in refusal.value.hint
    assert refusal.value.where == "layer 'act'"


NAMES = st.sampled_from(["Mystery", "PSSLayer", "RationalSS", "SSLayer", "Gate", "PReLUish"])
OPTIONS = st.dictionaries(
    st.sampled_from(["alpha", "a", "b", "beta", "units", "per_channel", "activation", "shared_axes", "axis"]),
    st.sampled_from([None, True, False, 0.5, 2.0, 3, "tanh", "smooth_sigmoid", [1], -1]),
    max_size=3,
)
SHAPES = st.lists(st.sampled_from([(), (1,), (3,), (3, 3), (1, 1, 3), (0,)]), max_size=3)
STATEMENTS = st.sampled_from(
    [None, "ss", "pss", "pss:alpha=3", "rational_ss", "rational_ss:b=1", "polynomial_ss:limit=1,c0=1"]
)
PATHS = st.sampled_from(["vars/{}", "vars/{}", "dense/vars/{}", "alpha/{}", "w{}"])
INSIDE = st.sampled_from(["layer", "argument", "wrapped"])


@settings(max_examples=400, deadline=None)
@given(NAMES, OPTIONS, SHAPES, STATEMENTS, PATHS, INSIDE, st.integers(0, 2**32 - 1))
def test_a_random_layer_and_a_random_statement_lose_no_weight(
    name, config, shapes, statement, path, inside, seed
):
    rng = np.random.default_rng(seed)
    stored = {
        path.format(i): Weight.of(rng.uniform(0.5, 2, shape).astype("f4")) for i, shape in enumerate(shapes)
    }
    entry = custom(name, **config)
    if inside != "layer":
        prefix = {"argument": "activation/", "wrapped": "layer/"}[inside]
        stored = {prefix + key: weight for key, weight in stored.items()}
        argument = keras_layer("Dense", units=3, activation=entry)
        entry = argument if inside == "argument" else keras_layer("TimeDistributed", layer=entry)
    try:
        layer, found = read(entry, stored, **({"act": statement} if statement else {}))
    except ConversionError as error:
        assert error.exit_code in {3, 4}  # noqa: PT017  either a refusal or what follows
        return
    held = {
        number for each in found for value in vars(each.activation).values() for number in np.ravel(value)
    }
    for weight in stored.values():
        assert set(np.ravel(weight.read()).astype(float)) <= held
    assert not layer.weights
    assert found[0].basis is (Basis.STATED if statement else Basis.ASSUMED)


def test_a_layer_that_nothing_calls_is_refused(tmp_path, write):
    x = keras.Input((4,), name="x")
    first = keras.layers.Dense(3, name="first")(x)
    path = write(keras.Model(x, keras.layers.Dense(2, name="last")(first)), tmp_path / "model.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1]["inbound_nodes"] = []
    config["config"]["output_layers"] = [["first", 0, 0]]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else data)
    with pytest.raises(UnsupportedError) as refusal, open_archive(path) as archive:
        describe(archive, {}, InputShapes())
    assert str(refusal.value) == (
        "layer 'last': stores 2 weights of shapes (3, 2), (2,), and nothing in the model calls it"
    )


BUILT_IN = {
    "Dense": (keras_layer("Dense", units=2), weights(vars__0=np.ones((3, 2)), vars__1=np.ones(2))),
    "ReLU": (keras_layer("ReLU"), {}),
    "Dropout": (keras_layer("Dropout", rate=0.5), {}),
    "BatchNormalization": (
        keras_layer("BatchNormalization"),
        weights(**{f"vars__{i}": np.ones(3) for i in range(4)}),
    ),
    "TimeDistributed": (
        keras_layer("TimeDistributed", layer=keras_layer("Dense", units=2)),
        weights(layer__vars__0=np.ones((3, 2)), layer__vars__1=np.ones(2)),
    ),
    "SimpleRNN": (
        keras_layer("SimpleRNN", units=2),
        weights(cell__vars__0=np.ones((3, 2)), cell__vars__1=np.ones((2, 2)), cell__vars__2=np.ones(2)),
    ),
}


@pytest.mark.parametrize(
    "extra",
    ["vars/0", "vars/4", "layer/vars/2", "cell/vars/3", "cell/vars/x", "other/vars/0", "w0", "unknown/vars/0",
     "x_seed_generator/vars/0", "recurrent_activation/vars/0", "activation/vars/0"],
)  # fmt: skip
@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_weight_too_many_of_a_built_in_layer_is_refused(kind, extra):
    entry, stored = BUILT_IN[kind]
    path = "vars/5" if extra in stored else extra
    first = Layer("x", "InputLayer", {"batch_shape": (None, 4, 3), "dtype": "float32"})

    def built(weights):
        layer, _ = read(entry, weights)
        calls = (Call("act", 0, (Ref("x"),)),)
        graph = Graph("m", {"x": first, "act": layer}, calls, (("x", Ref("x")),), (("y", Ref("act")),))
        require_fitting_weights(graph)
        return build(graph)

    assert built({**stored, "seed_generator/vars/0": Weight.of(np.zeros(2, np.uint32))})
    with pytest.raises((UnsupportedError, UnsafeFileError), match=r"stores|its stored weights"):
        built({**stored, path: Weight.of(np.ones(2, np.float32))})


def test_two_weights_of_one_path_are_refused():
    with pytest.raises(UnsafeFileError, match="two weights under one path"):
        read(keras_layer("Dense", units=2), weights(vars__0=1.0, _vars__0=1.0))
