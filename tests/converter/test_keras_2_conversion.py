"""Operations that Keras 2 recorded, converted: each format answers as TensorFlow did.

TFLite has no operators for some (``operations_rarer``, the logarithm of a sum) and none on 64-bit indices (``arrays``),
so it stands where it can.
"""

from pathlib import Path

import numpy as np
import pytest

from converter.artefacts import open_artefact
from converter.cli import main
from converter.exporters import get_target

FOLDER = Path(__file__).parent / "description" / "keras_2"
EVERYWHERE = ("onnx", "tflite", "saved_model")
CASES = {
    "operations_elementwise": EVERYWHERE,
    "operations_rarer": ("onnx",),
    "operations_reductions": ("onnx",),
    "operations_arrays": ("onnx", "saved_model"),
    "operations_slices": EVERYWHERE,
    "operations_whole_numbers": EVERYWHERE,
    "operations_graph": EVERYWHERE,
    "operations_masks": ("onnx",),
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
    for target in CASES[name]:
        artefact = open_artefact(target, tmp_path / get_target(target).artefact_name(name))
        given = {spec.name: array for spec, array in zip(artefact.inputs, inputs, strict=True)}
        answers = artefact.run(given)
        for spec, answer in zip(artefact.outputs, wanted, strict=True):
            np.testing.assert_allclose(answers[spec.name], answer, rtol=1e-4, atol=1e-5, err_msg=spec.name)
