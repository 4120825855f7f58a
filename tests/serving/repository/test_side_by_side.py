"""Models are loaded side by side: one that takes long, or for ever, holds up no other."""

import threading

import pytest
from patience import PATIENCE, until

from serving.errors import ModelLoadError, ModelNotFoundError, ModelNotReadyError
from serving.repository.loading import guarded_load
from serving.repository.loading.guarded_load import CHANGED
from serving.repository.model_state import State
from serving.repository.repository import Repository
from serving.server import initial_load
from serving.server.options import ControlMode, ServerOptions

SOON = 0.5
"""Seconds for which a load that does not get on is waited for here."""


class Gate:
    """A trial that lets a model through when it is told to, and all others at once."""

    def __init__(self, *names):
        self.open = {name: threading.Event() for name in names}
        self.tried = []

    def __call__(self, candidate):
        self.tried.append((candidate.name, candidate.version))
        if candidate.name in self.open:
            assert self.open[candidate.name].wait(PATIENCE)
            raise ModelLoadError("it took too long")


@pytest.fixture
def gate():
    made = Gate("stuck")
    yield made
    made.open["stuck"].set()


@pytest.fixture
def models(repository, onnx_models, gate):
    for name in ("a", "stuck", "z"):
        repository.onnx(name, onnx_models.affine())
    return Repository(repository.root, trial=gate, seconds=PATIENCE)


def state(models, name):
    return next(each.state for each in models.statuses() if each.name == name)


def test_what_does_not_get_on_is_loaded_when_it_does(models, gate):
    models.load_all(seconds=SOON)
    assert models.versions("a") == models.versions("z") == ("1",)
    assert models.names() == ("a", "stuck", "z")
    assert state(models, "stuck") is State.LOADING
    with pytest.raises(ModelNotReadyError, match="model 'stuck' is not ready: it is being loaded"):
        models.get("stuck")
    gate.open["stuck"].set()
    until(lambda: state(models, "stuck") is State.UNAVAILABLE)
    with pytest.raises(ModelNotReadyError, match="it took too long"):
        models.get("stuck")


def test_later_looks_and_loads_do_not_wait_for_it(models, repository, onnx_models, gate):
    models.load_all(seconds=SOON)
    repository.onnx("later", onnx_models.affine())
    models.load_all(seconds=SOON)
    assert models.versions("later") == ("1",)
    repository.onnx("asked", onnx_models.affine())
    models.load("asked")
    models.unload("a")
    assert models.versions("asked") == ("1",)
    assert gate.tried.count(("stuck", 1)) == 1, "it is not tried beside itself"


def test_a_server_is_not_ready_until_what_it_requires_is_loaded(models, repository, gate):
    told = []
    models.changed = lambda: told.append(models.lacking())
    initial_load.load(models, ServerOptions(repository.root, control=ControlMode.POLL), SOON)
    assert models.lacking() == ["stuck"]
    (repository.root / "stuck" / "1" / "model.onnx").unlink()
    gate.open["stuck"].set()
    until(lambda: state(models, "stuck") is State.UNAVAILABLE)
    assert models.lacking() == ["stuck"]
    assert told[-1] == ["stuck"]


def test_a_model_that_is_gone_before_it_was_loaded_is_forgotten(models, repository, gate):
    models.load_all(seconds=SOON)
    (repository.root / "stuck").rename(repository.root / ".stuck")
    models.load_all(seconds=SOON)
    gate.open["stuck"].set()
    until(lambda: state(models, "stuck") is not State.LOADING)
    models.load_all()
    with pytest.raises(ModelNotFoundError):
        models.get("stuck")


def test_what_is_opened_is_what_was_tried(repository, onnx_models):
    repository.onnx("m", onnx_models.affine())

    def changes(candidate):
        (candidate.folder / "model.onnx").write_bytes(onnx_models.affine(3) + b"\n")

    models = Repository(repository.root, trial=changes, seconds=PATIENCE)
    with pytest.raises(ModelLoadError, match=CHANGED):
        models.load("m")


def test_what_passes_its_trial_and_hangs_in_the_server_is_given_up(repository, onnx_models, monkeypatch):
    leave = threading.Event()
    load = guarded_load.load

    def opens(name, *arguments):
        if name == "hangs":
            leave.wait(PATIENCE)
        return load(name, *arguments)

    monkeypatch.setattr(guarded_load, "load", opens)
    for name in ("hangs", "other"):
        repository.onnx(name, onnx_models.affine())
    models = Repository(repository.root, trial=lambda _: None, seconds=SOON)
    with pytest.raises(ModelLoadError, match="its trial went well, but opening it in the server did not end"):
        models.load("hangs")
    models.load("other")
    leave.set()
    models.load("hangs")
    assert models.versions("hangs") == ("1",)


def test_a_dry_run_tries_what_would_be_loaded_and_loads_nothing(repository, onnx_models):
    tried = []

    def trial(candidate):
        tried.append((candidate.name, candidate.version, candidate.again))
        if candidate.version == 3:
            raise ModelLoadError("no")

    for version in (1, 2, 3):
        repository.onnx("m", onnx_models.affine(), version)
    models = Repository(repository.root, trial=trial, seconds=PATIENCE)
    models.dry_run_all()
    assert tried == [("m", 3, False), ("m", 2, False)]
    assert models.names() == ()
    tried.clear()
    models.dry_run("m")
    assert tried == [("m", 3, True), ("m", 2, True)]
    models.dry_run("none")
    with pytest.raises(ModelNotFoundError):
        models.get("m")


def test_what_another_process_tries_is_left_alone_until_it_has(models, gate):
    gate.open["stuck"].set()
    models.loads_in_progress.elsewhere = {"stuck": "1"}
    models.load_all()
    assert state(models, "stuck") is State.LOADING
    assert ("stuck", 1) not in gate.tried
    models.loads_in_progress.elsewhere = {}
    models.load_all(only=["stuck"])
    assert state(models, "stuck") is State.UNAVAILABLE
