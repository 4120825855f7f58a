"""Files that Keras 2 wrote: they answer as Keras 2 did (``record_keras_2.py`` made them)."""

from pathlib import Path

import keras
import numpy as np
import pytest

from converter.archive import open_archive
from converter.build import build
from converter.description import InputShapes, describe
from converter.lowering import lower

FOLDER = Path(__file__).parent / "keras_2"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_keras_2_answers_as_keras_2_did(name, suffix):
    recorded = np.load(FOLDER / f"{name}.npz")
    inputs = [recorded[key] for key in sorted(recorded) if key.startswith("x")]
    expected = [recorded[key] for key in sorted(recorded) if key.startswith("y")]
    with open_archive(FOLDER / f"{name}{suffix}") as archive:
        assert archive.keras_version.startswith("2.")
        graph = describe(archive, {}, InputShapes()).graph
        models = [build(graph), build(lower(graph).graph)]
    for model in models:
        answers = keras.tree.flatten(model(inputs, training=False))
        for answer, wanted in zip(answers, expected, strict=True):
            np.testing.assert_allclose(np.asarray(answer), wanted, rtol=1e-5, atol=1e-6)


def test_all_the_files_are_there():
    assert len(NAMES) >= 10
    for name in NAMES:
        assert (FOLDER / f"{name}.h5").is_file()
        assert (FOLDER / f"{name}.keras").is_file()
