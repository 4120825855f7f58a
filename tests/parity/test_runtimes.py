"""Runtimes x models: every runtime answers as the original did.

The tolerance is 1e-5, absolute, of probabilities: the models are a few float32 sums of at most 784 products deep, and
the largest error that was seen is 1e-6 (docs/parity.md has each). Runtimes differ in how they sum, in their
exponential and their tanh; a wrong gate, mask or direction is off by 1e-2 and more.
"""

import numpy as np
import pytest
from runtime_models import MODELS, case
from runtimes import RUNTIMES

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def case_of(tmp_path_factory):
    done = {}

    def of(name):
        if name not in done:
            done[name] = case(name, tmp_path_factory.mktemp("runtimes"))
        return done[name]

    return of


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("model", MODELS, scope="module")
def test_runtime_answers_as_the_original(case_of, model, runtime):
    chosen, its = RUNTIMES[runtime], case_of(model)
    answers = chosen.run(its.artefacts[chosen.target], its.inputs)
    wanted = its.expected[chosen.target]
    assert sorted(answers) == sorted(wanted)
    for name, expected in wanted.items():
        assert answers[name].shape == expected.shape
        assert np.abs(answers[name] - expected).max() <= TOLERANCE


@pytest.mark.parametrize("model", MODELS, scope="module")
def test_the_answers_differ_among_rows_by_far_more_than_the_tolerance(case_of, model):
    for expected in case_of(model).expected["onnx"].values():
        assert expected.std(axis=0).max() > 1000 * TOLERANCE
