"""SavedModels: nothing but TensorFlow in them."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact

layers = keras.layers


def model():
    keras.utils.set_random_seed(2)
    x = keras.Input((4,), name="x")
    h = layers.Dropout(0.5)(layers.Activation("softsign")(layers.Dense(3)(x)))
    return keras.Model([x], [layers.Dense(2, activation="softmax", name="y")(h)])


def test_the_folder_holds_no_keras_metadata_and_no_path_of_this_machine(export, tmp_path):
    path = export(model(), "saved_model")
    files = [file for file in path.rglob("*") if file.is_file()]
    assert {str(file.relative_to(path)) for file in files} == {
        "assets.extra/plainserve.json",
        "fingerprint.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    }
    for trace in (str(tmp_path).encode(), sys.prefix.encode(), b"site-packages", b"keras", b".py"):
        assert not [file.name for file in files if trace in file.read_bytes()]


def test_dropout_does_nothing_and_its_seed_is_not_stored(export):
    artefact = open_artefact("saved_model", export(model(), "saved_model"))
    assert not [name for name in artefact.operators() if "Random" in name]
    assert len(artefact._loaded.weights) == 4


def test_provenance_is_readable_without_tensorflow(export):
    path = export(model(), "saved_model", provenance={"b": [1, None], "a": "ü"})
    assert json.loads((path / "assets.extra/plainserve.json").read_text("utf-8")) == {
        "a": "ü",
        "b": [1, None],
    }


def test_exporting_prints_nothing(export, capfd):
    export(model(), "saved_model")
    assert capfd.readouterr() == ("", "")


ALONE = """
import json, sys
sys.modules["keras"] = sys.modules["converter"] = None  # importing them fails
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answer = serve(x=tf.constant(json.loads(sys.argv[2]), tf.float32))
print(json.dumps(answer["y"].numpy().tolist()))
"""


@pytest.mark.slow
def test_tensorflow_loads_and_runs_it_where_there_is_no_keras(export, tmp_path):
    it = model()
    path = export(it, "saved_model")
    given = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    command = [sys.executable, "-c", ALONE, str(path), json.dumps(given.tolist())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    expected = keras.ops.convert_to_numpy(it([given], training=False))
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=0, atol=1e-6)
