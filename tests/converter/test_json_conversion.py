"""``convert model.json --weights FILE``: as good as the file that holds both."""

import json

import keras
import numpy as np
import onnxruntime
import pytest

from converter.archive import combined_digest
from converter.command.cli import main
from converter.options import Options
from converter.publishing import digest
from converter.publishing.up_to_date import is_current

# h5py asks Keras's variables for a copy in numpy's older way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that was trained, its description, its weights, and its own answers."""
    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(5)
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, activation="tanh")], name="inner")
    x = keras.Input((6,), name="x")
    y = keras.layers.Dense(4, activation="softsign")(inner(x))
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax", name="answer")(y))
    model.compile("adam", "mse")
    given = np.random.default_rng(5).normal(size=(8, 6)).astype("float32")
    model.optimizer.build(model.trainable_variables)  # whose state is among the weights
    (folder / "digits.json").write_text(model.to_json())
    model.save_weights(folder / "digits.weights.h5")
    return folder, given, np.asarray(model(given))


def test_it_converts_and_answers_as_the_model_did(saved, tmp_path, capsys):
    folder, given, wanted = saved
    source, weights = folder / "digits.json", folder / "digits.weights.h5"
    arguments = [str(source), "--weights", str(weights), "--to", "onnx", "--output", str(tmp_path)]
    assert main(arguments) == 0, capsys.readouterr().err
    session = onnxruntime.InferenceSession(tmp_path / "digits.onnx")
    np.testing.assert_allclose(session.run(None, {"x": given})[0], wanted, rtol=1e-4, atol=1e-6)
    written = json.loads((tmp_path / "digits.manifest.json").read_text())
    both = combined_digest([digest.sha256(source), digest.sha256(weights)])
    assert written["source"]["sha256"] == both
    assert written["source"]["file"] == "digits.json"
    assert written["source"]["format"] == "json"
    assert written["artefacts"]["digits.onnx"]["source_sha256"] == both
    assert str(folder) not in json.dumps(written)


def test_other_weights_make_a_repository_out_of_date(saved, tmp_path, capsys):
    folder, _, _ = saved
    source, weights = folder / "digits.json", tmp_path / "weights.h5"
    weights.write_bytes((folder / "digits.weights.h5").read_bytes())
    arguments = [
        str(source),
        "--weights",
        str(weights),
        "--to",
        "onnx",
        "--repository",
        str(tmp_path / "served"),
    ]
    assert main(arguments) == 0, capsys.readouterr().err
    options = Options(targets=("onnx",), repository=tmp_path / "served", weights=weights)
    assert is_current(source, options)
    assert main([*arguments, "--skip-unchanged"]) == 0
    assert "unchanged" in capsys.readouterr().out
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert not is_current(source, options)
    weights.unlink()
    assert not is_current(source, options)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["digits.json"], 2, "digits.json: describes a model and holds no weights"),
        (["digits.weights.h5"], 3, "convert model.json --weights"),
        (["digits.json", "digits.json", "--weights", "digits.weights.h5"], 2, "--weights is for one model"),
        (["digits.weights.h5", "--weights", "digits.json"], 2, "The JSON stands first"),
        (["digits.json", "--weights", "none.h5"], 2, "none.h5: cannot be read: No such file"),
        (["digits.json", "--weights", "digits.json"], 3, "is neither a .keras archive nor an HDF5 file"),
    ],
)
def test_mistakes_are_found_and_told(saved, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(saved[0])
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) <= 2
