"""Operations that Keras 2 recorded, converted: each format answers as TensorFlow did.

Where a format is missing, it has no operators for something in that model.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main
from converter.exporters.target_formats import get_target

pytestmark = pytest.mark.tensorflow

FOLDER = Path(__file__).parent / "description" / "keras_2"
# Not operations_rarer: it takes asin(tanh(x)) and x // 0.3, where rounding decides, so parity rightly refuses it.
# That it is read right is seen in description/test_keras_2.py.
CASES = {
    "operations_elementwise": ("onnx", "tflite"),
    "operations_rarest": ("saved_model",),
    "operations_reductions": ("onnx",),
    "operations_arrays": ("onnx", "tflite"),
    "operations_slices": ("onnx", "tflite", "saved_model"),
    "operations_whole_numbers": ("onnx", "tflite"),
    "operations_graph": ("onnx",),
    "merged_masks": ("onnx",),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_of_keras_2_answer_as_they_did(name, tmp_path, capsys):
    recorded = np.load(FOLDER / f"{name}.npz")
    inputs = [recorded[key] for key in sorted(recorded) if key.startswith("x")]
    wanted = [recorded[key] for key in sorted(recorded) if key.startswith("y")]
    targets = [argument for target in CASES[name] for argument in ("--to", target)]
    assert main([str(FOLDER / f"{name}.h5"), *targets, "--output", str(tmp_path)]) == 0, (
        capsys.readouterr().err
    )
    manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text())
    for target in CASES[name]:
        artefact = open_artefact(target, tmp_path / get_target(target).artefact_name(name))
        given = {spec.name: array for spec, array in zip(artefact.inputs, inputs, strict=True)}
        answers = artefact.run(given)
        entry = manifest["artefacts"][get_target(target).artefact_name(name)]
        for output, answer in zip(entry["names"]["outputs"].values(), wanted, strict=True):
            np.testing.assert_allclose(answers[output], answer, rtol=1e-4, atol=1e-5, err_msg=output)


def test_a_model_that_runs_on_some_batches_only_is_refused(tmp_path, capsys):
    """It takes rows 0, 1 and 2 of the batch."""
    source = FOLDER / "operations_over_the_batch.h5"
    assert main([str(source), "--to", "onnx", "--output", str(tmp_path)]) == 4
    error = capsys.readouterr().err
    assert "cannot be run on a batch of 1, which its input allows" in error
    assert "--batch N" in error
    assert not any(tmp_path.iterdir())
