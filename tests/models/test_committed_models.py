"""The committed example models are what their README says, without TensorFlow to help."""

import base64
import io
import json
import re
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

MODELS = Path(__file__).parents[2] / "models"
FILES = [
    "digits_cnn.keras",
    "mnist_legacy.h5",
    "mnist_pss.keras",
    "mnist_rational_ss.keras",
    "mnist_ss.keras",
    "mnist_ss_numpy.keras",
]
FLOORS = {"dense_1": 0.88, "digit": 0.95, "parity": 0.95}

# The usual tops of a file system. Weights are random bytes: shorter patterns turn up in them by chance.
PATH = re.compile(rb"/(?:home|root|tmp|usr|opt|mnt|var|private|Users|builds)/|[A-Za-z]:\\\w{5}")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "mnist_legacy.h5": lambda x: sigmoid(3.0 * x),
    "mnist_pss.keras": lambda x: sigmoid(3.0 * x),
    "mnist_rational_ss.keras": lambda x: 1.5 * x / (1 + 0.8 * np.abs(x)),
    "mnist_ss.keras": lambda x: x / (1 + np.abs(x)),
    "mnist_ss_numpy.keras": lambda x: x / (1 + np.abs(x)),
}


def config(model_file):
    path = MODELS / model_file
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return json.loads(file.attrs["model_config"])
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def layer_configs(model_file, class_name):
    layers = config(model_file)["config"]["layers"]
    return [layer["config"] for layer in layers if layer["class_name"] == class_name]


def lambda_code(model_file):
    return [base64.b64decode(c["function"]["config"]["code"]) for c in layer_configs(model_file, "Lambda")]


def dense_weights(model_file):
    """Kernel and bias of the two Dense layers, in float64."""
    path = MODELS / model_file
    if path.suffix == ".h5":
        names = [f"model_weights/{layer}/sequential/{layer}/" for layer in ("dense", "dense_1")]
        keys, source = [f"{name}{part}" for name in names for part in ("kernel", "bias")], path
    else:
        keys = [f"layers/{layer}/vars/{index}" for layer in ("dense", "dense_1") for index in (0, 1)]
        with zipfile.ZipFile(path) as archive:
            source = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(source) as weights:
        return [np.asarray(weights[key], np.float64) for key in keys]


def golden(model_file):
    with np.load((MODELS / model_file).with_suffix(".npz"), allow_pickle=False) as arrays:
        return dict(arrays)


def accuracies():
    return json.loads((MODELS / "accuracy.json").read_text())


def texts_inside(path):
    """The bytes of a file, and of all that is packed in it."""
    yield path.read_bytes()
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename.encode()
                yield archive.read(member)
        yield from lambda_code(path.name)


def test_the_folder_holds_these_models_and_no_others():
    assert sorted(p.name for p in MODELS.iterdir() if p.suffix in {".keras", ".h5"}) == FILES
    assert sorted(accuracies()) == FILES


@pytest.mark.parametrize("model_file", FILES)
def test_a_model_and_its_answers_are_each_under_one_megabyte(model_file):
    path = MODELS / model_file
    assert path.stat().st_size < 1_000_000
    assert path.with_suffix(".npz").stat().st_size < 1_000_000


@pytest.mark.parametrize("model_file", FILES)
def test_a_model_holds_no_path_of_the_machine_that_trained_it(model_file):
    machine = [str(MODELS).encode(), str(Path.home()).encode() + b"/"]
    for text in texts_inside(MODELS / model_file):
        assert not PATH.search(text)
        assert not any(folder in text for folder in machine)


@pytest.mark.parametrize(
    "text", [b"\xfa\x1c/home/ann/models/mnist_ss.py", b"C:\\Users\\ann", b"/tmp/run/train.py"]
)
def test_the_search_for_paths_finds_one(text):
    assert PATH.search(text)


@pytest.mark.parametrize("model_file", ["digits_cnn.keras", "mnist_ss.keras", "mnist_ss_numpy.keras"])
def test_a_lambda_names_the_function_and_a_bare_script_but_not_the_formula(model_file):
    (code,) = lambda_code(model_file)
    assert b"smooth_sigmoid" in code
    assert Path(model_file).with_suffix(".py").name.encode() in code
    assert not re.search(rb"[/\\]\w", code)
    assert b"abs" not in code


@pytest.mark.parametrize("model_file", FILES)
def test_no_class_is_registered_under_a_package(model_file):
    def names(node):
        if isinstance(node, dict):
            yield node.get("registered_name")
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from names(child)

    assert set(names(config(model_file))) <= {None, "PSSLayer", "RationalSSLayer", "Functional"}


def test_the_numpy_model_alone_of_the_sequentials_is_saved_without_a_built_shape():
    sequentials = [name for name in FILES if name != "digits_cnn.keras"]
    built = {name: "build_input_shape" in config(name)["config"] for name in sequentials}
    assert built == {name: name != "mnist_ss_numpy.keras" for name in sequentials}
    assert config("mnist_ss_numpy.keras")["compile_config"]["run_eagerly"] is True


@pytest.mark.parametrize("model_file", FILES)
def test_the_answers_are_float32_and_named_after_the_layers(model_file):
    arrays = golden(model_file)
    outputs = accuracies()[model_file]["accuracy"]
    inputs = {layer["name"] for layer in layer_configs(model_file, "InputLayer")}
    layers = {layer["config"]["name"] for layer in config(model_file)["config"]["layers"]}

    assert set(outputs) <= layers
    assert set(arrays) == inputs | set(outputs) | {f"{name}_label" for name in outputs}
    assert {len(values) for values in arrays.values()} == {accuracies()[model_file]["held_out"]}
    assert all(arrays[name].dtype == np.float32 for name in inputs | set(outputs))
    assert all(0 <= arrays[name].min() <= arrays[name].max() == 1 for name in inputs)


@pytest.mark.parametrize("model_file", FILES)
def test_the_recorded_accuracy_is_that_of_the_recorded_answers(model_file):
    arrays = golden(model_file)
    for output, recorded in accuracies()[model_file]["accuracy"].items():
        answers, labels = arrays[output], arrays[f"{output}_label"]
        chosen = answers.argmax(axis=1) if answers.shape[1] > 1 else np.rint(answers[:, 0])
        assert recorded == round(float(np.mean(chosen == labels)), 4)
        assert recorded >= FLOORS[output]


@pytest.mark.parametrize("model_file", ACTIVATIONS)
def test_the_weights_in_the_file_give_the_recorded_answers(model_file):
    arrays = golden(model_file)
    kernel, bias, last_kernel, last_bias = dense_weights(model_file)
    hidden = ACTIVATIONS[model_file](arrays["input_layer"] @ kernel + bias)
    scores = np.exp(hidden @ last_kernel + last_bias)
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(arrays["dense_1"], expected, rtol=1e-4, atol=1e-6)


def test_the_models_were_trained_apart_but_the_legacy_file_is_the_pss_model():
    pairs = pairwise(["mnist_pss.keras", "mnist_ss.keras", "mnist_ss_numpy.keras", "mnist_rational_ss.keras"])
    assert all(not np.array_equal(dense_weights(a)[0], dense_weights(b)[0]) for a, b in pairs)
    for ours, theirs in zip(dense_weights("mnist_legacy.h5"), dense_weights("mnist_pss.keras"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
