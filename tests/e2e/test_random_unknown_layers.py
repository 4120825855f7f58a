"""Whatever stands in a file and whatever is stated: refused, or marked as not shown, or right."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own

FORMULAS = {
    "sigmoid": lambda x, k: keras.ops.sigmoid(k * x),
    "outside": lambda x, k: k * keras.ops.sigmoid(x),
    "rational": lambda x, k: x / (1 + k * keras.ops.abs(x)),
    "cubic": lambda x, k: x - k * x**3,
}
NAMES = ["PSSLayer", "SSLayer", "RationalSSLayer", "Swishy", "MyDense", "Activation"]
CONFIGS = [(), ("alpha",), ("a", "b"), ("beta",), ("alpha", "per_channel")]
SHAPES = [(), ((),), ((5,),), ((), ()), ((5, 5), (5,))]
STATEMENTS = [None, "pss", "pss:alpha=2", "ss", "rational_ss:a=1.5,b=0.8", "rational_ss"]


def layer_of(name, formula, config, shapes):
    """A user's layer: its name, options and weights need not have anything to do with what it computes."""

    def build(self, _):
        self.own = [
            self.add_weight(name=f"w{number}", shape=shape, initializer="random_normal")
            for number, shape in enumerate(shapes)
        ]

    def call(self, inputs):
        x = inputs
        for weight in self.own:
            x = keras.ops.matmul(x, weight) if len(weight.shape) == 2 else x * (1 + weight)
        return FORMULAS[formula](x, 1.7)

    def get_config(self):
        return {**keras.layers.Layer.get_config(self), **dict.fromkeys(config, 1.25)}

    members = {"build": build, "call": call, "get_config": get_config}
    return type(name, (keras.layers.Layer,), members)(name="own")


@pytest.mark.slow
@settings(max_examples=25)
@given(
    name=st.sampled_from(NAMES),
    formula=st.sampled_from(sorted(FORMULAS)),
    config=st.sampled_from(CONFIGS),
    shapes=st.sampled_from(SHAPES),
    statement=st.sampled_from(STATEMENTS),
    recorded=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_no_artefact_is_another_model_without_a_word(
    name, formula, config, shapes, statement, recorded, seed, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("random")
    keras.utils.set_random_seed(seed)
    x = keras.Input((5,), name="x")
    y = layer_of(name, formula, config, shapes)(keras.layers.Dense(5)(x))
    model = keras.Model(x, keras.layers.Dense(3, name="y")(y))
    model.save(folder / "m.keras")
    rows = np.random.default_rng(seed).normal(size=(40, 5)).astype("float32")
    want = np.asarray(model(rows))
    words = [str(folder / "m.keras"), "--to", "onnx", "--output", str(folder / "o")]
    words += ["--activation", f"own={statement}"] if statement else []
    if recorded:
        np.savez(folder / "proof.npz", x=rows, y=want)
        words += ["--samples", str(folder / "proof.npz")]
    code = main(words)
    assert code in {0, 4, 5}
    if code:
        assert not (folder / "o").exists()
        return
    entry = json.loads((folder / "o" / "m.manifest.json").read_text())["artefacts"]["m.onnx"]
    got = open_artefact("onnx", folder / "o" / "m.onnx").run({"x": rows})["y"]
    right = np.allclose(got, want, rtol=1e-4, atol=1e-5)
    assert right or entry["basis"] in {"stated", "assumed"}, (entry["basis"], np.abs(got - want).max())
    if entry["basis"] in {"stated", "assumed"}:
        assert not [word for word in ("proved", "passed") if word in json.dumps(entry)]
    if sum(map(np.size, model.get_layer("own").get_weights())) and right:
        assert entry["basis"] != "read"
