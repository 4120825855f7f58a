"""Files that Keras 2 wrote: they answer as Keras 2 did (``record_keras_2.py`` made them)."""

from pathlib import Path

import keras
import numpy as np
import pytest

from converter.archive import open_archive
from converter.building.model_builder import build
from converter.description import InputShapes, describe
from converter.lowering.lower import lower

FOLDER = Path(__file__).parent / "keras_2"
FILES = sorted([*FOLDER.glob("*.h5"), *FOLDER.glob("*.keras")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_keras_2_answers_as_keras_2_did(path):
    recorded = np.load(path.with_suffix(".npz"))
    inputs = [recorded[key] for key in sorted(recorded) if key.startswith("x")]
    expected = [recorded[key] for key in sorted(recorded) if key.startswith("y")]
    with open_archive(path) as archive:
        assert archive.keras_version.startswith("2.")
        graph = describe(archive, {}, InputShapes()).graph
        models = [build(graph), build(lower(graph).graph)]
    for model in models:
        answers = keras.tree.flatten(model(inputs, training=False))
        for answer, wanted in zip(answers, expected, strict=True):
            assert np.asarray(answer).dtype == wanted.dtype
            np.testing.assert_allclose(np.asarray(answer), wanted, rtol=1e-5, atol=1e-6)


def test_all_the_files_are_there():
    recorded = {path.stem for path in FOLDER.glob("*.npz")}
    assert len(recorded) >= 20
    assert {path.stem for path in FILES if path.suffix == ".h5"} == recorded
    assert len({path.stem for path in FILES if path.suffix == ".keras"}) >= 15
