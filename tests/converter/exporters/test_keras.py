"""Plain ``.keras`` files: built-in parts alone, loadable anywhere in safe mode."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError

layers = keras.layers


def foreign(x):
    return x / (1 + keras.ops.abs(x))


def model(activation="softsign"):
    keras.utils.set_random_seed(2)
    policy = keras.DTypePolicy("float32")
    x = keras.Input((4,), name="x")
    h = layers.Rescaling(3.0, name="scale", dtype=policy)(layers.Dense(3, name="first", dtype=policy)(x))
    h = layers.Activation(activation, name="activation")(h)
    return keras.Model([x], [layers.Dense(2, activation="softmax", name="y")(h)], name="digits")


def test_provenance_and_names_are_in_the_metadata(export):
    with zipfile.ZipFile(export(model(), "keras", provenance={"a": "ü"})) as archive:
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata["plainserve"] == {"a": "ü"}
    assert metadata["plainserve_signature"] == {"inputs": ["x"], "outputs": ["y"]}
    assert metadata["keras_version"] == keras.__version__
    assert "date_saved" not in metadata


def test_the_bytes_are_the_same_every_time(export):
    first = export(model(), "keras", stem="first").read_bytes()
    assert export(model(), "keras", stem="second").read_bytes() == first


def test_plain_operations_of_keras_are_built_in(export):
    x = keras.Input((4,), name="x")
    path = export(keras.Model([x], [x / (1.0 + keras.ops.abs(x))]), "keras")
    artefact = open_artefact("keras", path)
    given = np.array([[-3.0, 0.0, 1.0, 1e6]], np.float32)
    (answer,) = artefact.run({"x": given}).values()
    np.testing.assert_allclose(answer, given / (1 + abs(given)), rtol=1e-6)
    assert artefact.operators()["Absolute"] == 1


class Custom(layers.Layer):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("layer", "culprit"),
    [
        (lambda: layers.Activation(foreign, name="bad"), "function 'foreign'"),
        (lambda: layers.Dense(3, activation=foreign, name="bad"), "function 'foreign'"),
        (lambda: layers.Dense(3, activation=lambda x: x, name="bad"), "a Python lambda"),
        (lambda: layers.Lambda(foreign, name="bad"), "'Lambda'"),
        (lambda: layers.LSTM(3, activation=foreign, name="bad"), "function 'foreign'"),
        (lambda: Custom(name="bad"), "'Custom'"),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_not_built_in_is_refused_by_name_and_layer(export, tmp_path, layer, culprit, nested):
    x = keras.Input((5, 4), name="x")
    bad = layer()
    if nested:
        i = keras.Input((5, 4))
        bad = keras.Model(i, bad(i))
    with pytest.raises(UnsupportedError, match=f"layer 'bad': {culprit}") as caught:
        export(keras.Model([x], [bad(x)]), "keras")
    assert caught.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


ALONE = """
import json, sys
sys.modules["converter"] = None
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
answer = model([np.array(json.loads(sys.argv[2]), np.float32)], training=False)
print(json.dumps(keras.ops.convert_to_numpy(answer).tolist()))
"""


@pytest.mark.slow
def test_keras_alone_loads_and_runs_it(export, tmp_path):
    it = model()
    path = export(it, "keras")
    given = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    command = [sys.executable, "-c", ALONE, str(path), json.dumps(given.tolist())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    expected = keras.ops.convert_to_numpy(it([given], training=False))
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=0, atol=1e-6)
