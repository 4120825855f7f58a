"""Models x formats x batch sizes: every artefact answers as the original did.

The tolerance is the contract's: |d| <= 1e-5 or |d| <= 1e-4 |reference|. The outputs are probabilities, the models
a few float32 sums deep: the errors seen are below 4e-6.
"""

import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.exporters.target_formats import TARGETS

MODELS = {
    "mnist_pss.keras": ("input_layer", ["dense_1"]),
    "mnist_ss.keras": ("input_layer", ["dense_1"]),
    "mnist_ss_numpy.keras": ("input_layer", ["dense_1"]),
    "mnist_rational_ss.keras": ("input_layer", ["dense_1"]),
    "mnist_legacy.h5": ("input_layer", ["dense_1"]),
    "digits_cnn.keras": ("image", ["digit", "parity"]),
}
ATOL, RTOL = 1e-5, 1e-4
BATCHES = (1, 7, 32)
# The scope of "model" puts the tests of one model together, so that one process runs them and converts it once.


def outcome_of(converted, model, target):
    outcome = next(each for each in converted(model).outcomes if each.target == target)
    assert outcome.error is None, outcome.error
    return outcome


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", MODELS, scope="module")
def test_artefact_answers_as_the_author_recorded(converted, recorded, model, target, batch):
    artefact = open_artefact(target, outcome_of(converted, model, target).path)
    name, outputs = MODELS[model]
    held_out = recorded(model)
    for start in (0, batch, 100):
        rows = slice(start, start + batch)
        answer = artefact.run({name: held_out[name][rows]})
        assert sorted(answer) == sorted(outputs)
        for output in outputs:
            expected = held_out[output][rows]
            error = np.abs(answer[output] - expected)
            assert ((error <= ATOL) | (error <= RTOL * np.abs(expected))).all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", MODELS, scope="module")
def test_report_holds_live_recorded_softmax_and_activation_figures(converted, model, target):
    proof = outcome_of(converted, model, target).proof
    _, outputs = MODELS[model]
    assert proof.passed
    assert sorted(proof.outputs) == sorted(proof.recorded) == sorted(outputs)
    assert sorted(proof.before_softmax) == [each for each in sorted(outputs) if each != "parity"]
    formulas = {finding.activation.formula for finding in converted(model).description.findings}
    assert set(proof.activations) == formulas
    assert all(figures.elements > 1000 for figures in proof.activations.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", MODELS, scope="module")
def test_artefact_has_the_names_of_the_original_and_a_free_batch(converted, model, target):
    artefact = open_artefact(target, outcome_of(converted, model, target).path)
    name, outputs = MODELS[model]
    assert [spec.name for spec in artefact.inputs] == [name]
    assert sorted(spec.name for spec in artefact.outputs) == sorted(outputs)
    assert artefact.inputs[0].shape[0] is None


def test_the_check_would_see_a_wrong_formula(converted, recorded):
    """The SS model's artefact is no answer to the PSS model's record: the tolerance is not a formality."""
    artefact = open_artefact("onnx", outcome_of(converted, "mnist_ss.keras", "onnx").path)
    held_out = recorded("mnist_pss.keras")
    answer = artefact.run({"input_layer": held_out["input_layer"][:32]})["dense_1"]
    assert np.abs(answer - held_out["dense_1"][:32]).max() > 100 * ATOL
