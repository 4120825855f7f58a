"""``--custom-objects FILE.py``: the user's own code decides."""

import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main

pytestmark = pytest.mark.tensorflow

CODE = {
    "mnist_pss.keras": """
import keras

class PSSLayer(keras.layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return keras.activations.sigmoid(self.alpha * inputs)
""",
    "mnist_ss.keras": """
import numpy as np

def smooth_sigmoid(x):
    return x / (1 + np.abs(x))
""",
    "mnist_rational_ss.keras": """
import keras
import tensorflow as tf

class RationalSSLayer(keras.layers.Layer):
    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = a, b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * tf.abs(inputs))
""",
}


@pytest.fixture
def run(models, tmp_path, capsys):
    def call(model, code, *arguments):
        file = tmp_path / "mine.py"
        file.write_text(code)
        output = tmp_path / "output"
        custom = ("--custom-objects", file, "--output", output)
        exit_code = main([*map(str, (models / model, "--to", "onnx", *custom, *arguments))])
        return exit_code, capsys.readouterr(), output

    return call


@pytest.mark.parametrize("model", CODE)
def test_users_code_proves_the_assumed_formula_and_the_report_says_so(run, model):
    code, printed, output = run(model, CODE[model])
    assert code == 0, printed.err
    assert "(compared with your own code, mine.py)" in printed.out
    assert [entry.suffix for entry in sorted(output.iterdir())] == [".json", ".onnx"]


def test_class_that_computes_something_else_is_traced_as_it_is(run, models):
    other = CODE["mnist_pss.keras"].replace("sigmoid(self.alpha * inputs)", "tanh(self.alpha * inputs)")
    code, printed, output = run("mnist_pss.keras", other)
    assert code == 0, printed.err
    assert "your PSSLayer" in printed.out
    artefact = open_artefact("onnx", output / "mnist_pss.onnx")
    assert artefact.operators()["Tanh"] == 1
    recorded = np.load(models / "mnist_pss.npz")
    answer = artefact.run({"input_layer": recorded["input_layer"]})["dense_1"]
    assert np.abs(answer - recorded["dense_1"]).max() > 0.1


def test_stated_formula_of_an_unknown_function_is_proved_too(run):
    code, printed, _ = run(
        "mnist_ss.keras", CODE["mnist_ss.keras"], "--activation", "lambda=rational_ss:b=1.01"
    )
    assert code == 5, printed.out


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise RuntimeError('no luck')", "raised RuntimeError: no luck"),
        ("class Other: pass", "defines nothing that the model names\nThe model names: PSSLayer."),
        (
            "class PSSLayer:\n    @classmethod\n    def from_config(cls, config): return cls(config)",
            "refuses",
        ),
    ],
)
def test_file_that_does_not_help_is_one_clear_error(run, code, words):
    exit_code, printed, output = run("mnist_pss.keras", code)
    assert exit_code in {2, 4}
    assert words in printed.err
    assert not output.exists()


def test_nothing_of_the_file_runs_without_the_option(models, tmp_path, monkeypatch):
    canary = tmp_path / "mine.py"
    canary.write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    assert main([str(models / "mnist_pss.keras")]) == 0
