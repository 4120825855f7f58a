"""What a server needs to be ready, by control mode."""

import pytest

from serving.errors import ModelLoadError
from serving.repository.repository import Repository
from serving.server import initial_load
from serving.server.options import ControlMode, ServerOptions


@pytest.fixture
def started(repository, onnx_models):
    """A repository with a good and a bad model, as a server of some mode has it after its start."""
    repository.onnx("good", onnx_models.affine())
    repository.onnx("bad", b"junk")

    def start(control, *load_models):
        made = Repository(repository.root)
        initial_load.load(made, ServerOptions(repository.root, control=control, load_models=load_models))
        return made

    return start


@pytest.mark.parametrize(
    ("control", "names"),
    [
        (ControlMode.NONE, ()),
        (ControlMode.POLL, ()),
        (ControlMode.EXPLICIT, ("*",)),
        (ControlMode.EXPLICIT, ("good", "bad")),
    ],
)
def test_a_model_that_was_to_be_loaded_and_cannot_answer_is_lacking(started, control, names):
    assert started(control, *names).lacking() == ["bad"]


@pytest.mark.parametrize("names", [(), ("good",)])
def test_models_that_nobody_named_are_not_required(started, names):
    assert started(ControlMode.EXPLICIT, *names).lacking() == []


def test_a_model_that_a_request_asked_for_in_vain_is_not_lacking(started):
    models = started(ControlMode.EXPLICIT, "good")
    with pytest.raises(ModelLoadError):
        models.load("bad")
    assert models.lacking() == []


def test_a_model_that_is_published_later_is_not_lacking(started, repository):
    models = started(ControlMode.POLL)
    repository.onnx("later", b"junk")
    models.load_all()
    assert models.lacking() == ["bad"]


def test_a_model_that_was_mended_is_not_lacking(started, repository, onnx_models):
    models = started(ControlMode.POLL)
    (repository.root / "bad" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    models.load_all()
    assert models.lacking() == []


def test_a_model_that_was_taken_back_is_not_lacking(started):
    models = started(ControlMode.EXPLICIT, "*")
    for name in ("good", "bad"):
        models.unload(name)
    assert models.lacking() == []


def test_a_version_that_answers_in_place_of_a_bad_newer_one_is_enough(started, repository):
    repository.onnx("good", b"junk", 2)
    assert started(ControlMode.EXPLICIT, "good").lacking() == []
