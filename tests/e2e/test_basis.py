"""What a proof rests on: in the table, the JSON, the manifest, the artefact, the warning and the exit code."""

import json

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own

FALSE_WORDS = ("proved", "passed")


class PSSLayer(keras.layers.Layer):
    """Not what its name says: alpha * sigmoid(x)."""

    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return self.alpha * keras.ops.sigmoid(inputs)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


@pytest.fixture
def convert(tmp_path, capsys):
    def run(model, *arguments):
        capsys.readouterr()
        code = main([*map(str, (model, "--to", "onnx", "--output", tmp_path / "o", *arguments))])
        printed = capsys.readouterr()
        published = tmp_path / "o" / f"{model.stem}.manifest.json"
        entry = None
        if published.exists():
            entry = json.loads(published.read_text())["artefacts"][f"{model.stem}.onnx"]
        return code, printed, entry

    return run


@pytest.fixture
def liar(tmp_path):
    keras.utils.set_random_seed(2)
    x = keras.Input((6,), name="x")
    y = PSSLayer(2.5, name="pss")(keras.layers.Dense(5)(x))
    model = keras.Model(x, keras.layers.Dense(3, name="y")(y))
    model.save(tmp_path / "liar.keras")
    return model, tmp_path / "liar.keras"


def test_assumed_is_told_everywhere_and_never_called_proved(models, convert, tmp_path):
    code, printed, entry = convert(models / "mnist_pss.keras")
    assert code == 0
    assert " assumed " in printed.out
    assert "warning" in printed.err
    assert "'pss_layer' computes sigmoid(3 x), assumed from a name" in printed.err
    assert "--samples proof.npz" in printed.err
    assert (entry["basis"], entry["parity"]["against"]) == ("assumed", "formulas assumed from names")
    carried = open_artefact("onnx", tmp_path / "o" / "mnist_pss.onnx").provenance()
    assert carried["basis"] == "assumed"
    assert [each["basis"] for each in carried["activations"]] == ["assumed"]
    texts = printed.out, printed.err, json.dumps(entry), json.dumps(carried)
    assert not [word for word in FALSE_WORDS for text in texts if word in text]


def test_json_has_the_basis_and_the_warning(models, convert):
    code, printed, _ = convert(models / "mnist_pss.keras", "--json")
    model = json.loads(printed.out)["models"][0]
    assert (code, model["basis"], model["artefacts"][0]["basis"]) == (0, "assumed", "assumed")
    assert "--samples proof.npz" in model["warnings"][0]["prove"]


def test_samples_alone_find_the_recorded_answers(models, convert):
    samples = models / "mnist_pss.npz"
    code, printed, entry = convert(models / "mnist_pss.keras", "--samples", samples, "--require-proof")
    assert code == 0, printed.err
    assert (entry["basis"], entry["parity"]["against"]) == ("recorded", "recorded answers")
    assert entry["parity"]["recorded"]["dense_1"]["elements"] == 5000
    assert "warning" not in printed.err


def test_samples_without_answers_prove_nothing_of_the_formula(models, convert, tmp_path):
    np.savez(tmp_path / "inputs.npz", np.load(models / "mnist_pss.npz")["input_layer"])
    code, printed, entry = convert(models / "mnist_pss.keras", "--samples", tmp_path / "inputs.npz")
    assert (code, entry["basis"]) == (0, "assumed")
    assert "warning" in printed.err


@pytest.mark.parametrize(
    "arguments", [(), ("--activation", "pss_layer=pss:alpha=3")], ids=["assumed", "stated"]
)
def test_require_proof_publishes_nothing_that_is_not(models, convert, arguments):
    code, printed, entry = convert(models / "mnist_pss.keras", "--require-proof", *arguments)
    assert (code, entry) == (5, None)
    assert "--samples" in printed.err


def test_what_stands_in_the_file_is_read(convert, tmp_path):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="softsign")])
    file = tmp_path / "plain.keras"
    model.save(file)
    code, printed, entry = convert(file, "--require-proof")
    assert (code, entry["basis"]) == (0, "read"), printed.err


def test_recorded_answers_catch_another_formula(liar, convert, tmp_path):
    model, file = liar
    x = np.random.default_rng(4).normal(size=(40, 6)).astype("float32")
    np.savez(tmp_path / "proof.npz", x=x, y=np.asarray(model(x)))
    code, printed, entry = convert(file, "--samples", tmp_path / "proof.npz")
    assert (code, entry) == (5, None)
    assert "--custom-objects" in printed.err


def test_rows_that_move_nothing_prove_nothing(convert, tmp_path):
    """One row of zeros is answered alike by many formulas: the basis stays, and the reason is told."""
    keras.utils.set_random_seed(3)
    x = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(5, use_bias=False)(x)
    y = PSSLayer(1.0, name="pss")(hidden)  # with alpha = 1 it happens to be what its name says
    model = keras.Model(x, keras.layers.Dense(3, name="y")(y))
    model.save(tmp_path / "m.keras")
    zeros = np.zeros((4, 6), "float32")
    np.savez(tmp_path / "zeros.npz", x=zeros, y=np.asarray(model(zeros)))
    code, printed, entry = convert(tmp_path / "m.keras", "--samples", tmp_path / "zeros.npz")
    assert (code, entry["basis"]) == (0, "assumed")
    assert "the recorded rows hardly move its input" in printed.err
    code, printed, entry = convert(
        tmp_path / "m.keras", "--samples", tmp_path / "zeros.npz", "--require-proof"
    )
    assert code == 5


def test_an_unchanged_version_is_no_proof(models, tmp_path):
    repository = tmp_path / "r"
    words = [str(models / "mnist_pss.keras"), "--to", "onnx", "--repository", str(repository)]
    assert main(words) == 0
    assert main([*words, "--skip-unchanged"]) == 0
    assert main([*words, "--skip-unchanged", "--require-proof"]) == 5
    assert [path.name for path in (repository / "mnist_pss").iterdir() if path.is_dir()] == ["1"]
