"""What one process tried, others believe: of the same files and the same config."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig
from serving.repository.loading.candidate import Candidate
from serving.trial_load.result_cache import TrialResultCache

GOOD = Candidate("good", 1, Path("r/good/1"), Path("r"), ModelConfig(), (("model.onnx", 1, 2, 3),))
BAD = replace(GOOD, name="bad")


class Tries:
    """A trial that remembers what it was asked."""

    def __init__(self):
        self.tried = []

    def __call__(self, candidate):
        self.tried.append(candidate)
        if candidate.name == "bad":
            raise ModelLoadError("it is bad")


@pytest.fixture
def tries():
    return Tries()


def test_what_is_known_is_not_tried_again(tries):
    trial_results = TrialResultCache(tries)
    for _ in range(2):
        trial_results(GOOD)
        with pytest.raises(ModelLoadError, match="it is bad"):
            trial_results(BAD)
    assert tries.tried == [GOOD, BAD]


def test_another_process_believes_it(tries):
    first, second = TrialResultCache(tries), TrialResultCache(tries)
    first(GOOD)
    with pytest.raises(ModelLoadError):
        first(BAD)
    # As it goes over the link.
    second.learn(json.loads(json.dumps(first.take())))
    second(GOOD)
    with pytest.raises(ModelLoadError, match="it is bad"):
        second(BAD)
    assert tries.tried == [GOOD, BAD]


@pytest.mark.parametrize(
    "other",
    [
        replace(GOOD, mark=(("model.onnx", 1, 9, 3),)),
        replace(GOOD, config=ModelConfig(max_batch_size=3)),
        replace(GOOD, version=2),
    ],
)
def test_other_files_another_config_and_another_version_are_tried(tries, other):
    trial_results = TrialResultCache(tries)
    trial_results(GOOD)
    trial_results(other)
    assert tries.tried == [GOOD, other]


def test_what_failed_is_tried_again_if_somebody_wants_it_and_what_passed_is_not(tries):
    trial_results = TrialResultCache(tries)
    for _ in range(2):
        trial_results(replace(GOOD, again=True))
        with pytest.raises(ModelLoadError):
            trial_results(replace(BAD, again=True))
    assert [each.name for each in tries.tried] == ["good", "bad", "bad"]
