import gc
import threading
import time
import weakref

import numpy as np
import pytest
from patience import PATIENCE

from serving.errors import ModelLoadError, ModelNotFoundError, ModelNotReadyError, RepositoryError
from serving.repository.config import ModelConfig, VersionPolicy
from serving.repository.loading import guarded_load
from serving.repository.model_state import State
from serving.repository.repository import Repository


@pytest.fixture
def models(repository, onnx_models):
    repository.onnx("affine", onnx_models.affine(1), 1)
    made = Repository(repository.root)
    made.load_all()
    made.gone = []
    made.retired = made.gone.extend
    return made


def statuses(models):
    return {(each.name, each.version): (each.state.value, each.reason) for each in models.statuses()}


def test_looking_again_at_an_unchanged_folder_changes_nothing(models):
    before, told = models.get("affine"), []
    models.changed = lambda: told.append(1)
    models.load_all()
    assert models.get("affine") is before
    assert not told


def test_a_new_version_takes_over_and_the_old_one_is_retired(models, repository, onnx_models):
    old = models.get("affine")
    repository.onnx("affine", onnx_models.affine(2), 2)
    models.load_all()
    assert models.get("affine").version == "2"
    assert models.gone == [old]
    assert statuses(models) == {("affine", "1"): ("UNAVAILABLE", "unloaded"), ("affine", "2"): ("READY", "")}
    with pytest.raises(ModelNotReadyError, match="version 1 is not ready: unloaded"):
        models.get("affine", "1")


def test_what_was_retired_still_answers_those_that_hold_it_and_is_freed_after(
    models, repository, onnx_models
):
    held = models.get("affine")
    runtime = weakref.ref(held.runtime)
    repository.onnx("affine", onnx_models.affine(2), 2)
    models.load_all()
    models.gone.clear()
    (y,) = held.runtime.infer({"x": np.ones((1, 3), np.float32)}, ["y"])
    assert y[0, 0] == 2
    del held
    gc.collect()
    assert runtime() is None


def test_a_bad_version_is_not_tried_again_until_it_changes(models, repository, onnx_models, monkeypatch):
    repository.onnx("affine", b"junk", 2)
    models.load_all()
    assert models.get("affine").version == "1"
    tried = []
    load = guarded_load.load
    monkeypatch.setattr(guarded_load, "load", lambda *args: tried.append(args[1]) or load(*args))
    models.load_all()
    assert not tried
    (repository.root / "affine" / "2" / "model.onnx").write_bytes(onnx_models.affine(2))
    models.load_all()
    assert tried == [2]
    assert models.get("affine").version == "2"


def test_asking_for_a_load_tries_a_bad_version_again(models, repository, monkeypatch):
    repository.onnx("affine", b"junk", 2)
    models.load_all()
    tried = []
    load = guarded_load.load
    monkeypatch.setattr(guarded_load, "load", lambda *args: tried.append(args[1]) or load(*args))
    with pytest.raises(ModelLoadError, match="version 2: onnxruntime"):
        models.load("affine")
    assert tried == [2]
    assert models.get("affine").version == "1"


def test_after_a_restart_a_bad_newest_version_lets_the_one_before_serve(repository, onnx_models):
    for version, content in ((1, onnx_models.affine(1)), (2, onnx_models.affine(2)), (3, b"junk")):
        repository.onnx("affine", content, version)
    fresh = Repository(repository.root)
    fresh.load_all()
    assert fresh.versions("affine") == ("2",)
    assert fresh.get("affine").version == "2"


def test_a_version_that_a_policy_names_and_that_is_not_there_is_told(repository, onnx_models):
    repository.onnx("affine", onnx_models.affine(1), 1)
    fresh = Repository(repository.root, ModelConfig(versions=VersionPolicy(latest=None, specific=(1, 9))))
    fresh.load_all()
    assert fresh.versions("affine") == ("1",)
    assert "does not hold it" in statuses(fresh)["affine", "9"][1]


def test_a_model_that_is_gone_is_forgotten(models, repository, onnx_models):
    repository.onnx("other", onnx_models.affine())
    models.load_all()
    (repository.root / "affine").rename(repository.root / ".affine")
    models.load_all()
    assert models.names() == ("other",)
    assert [each.name for each in models.gone] == ["affine"]
    with pytest.raises(ModelNotFoundError):
        models.get("affine")


def test_a_folder_that_is_gone_leaves_the_models(models, repository):
    repository.root.rename(repository.root.with_name("elsewhere"))
    with pytest.raises(RepositoryError):
        models.load_all(may_be_empty=True)
    assert models.get("affine").version == "1"


def test_unloading_and_loading_again(models):
    first = models.get("affine")
    models.unload("affine")
    assert models.gone == [first]
    with pytest.raises(ModelNotReadyError, match="'affine' is not ready: unloaded"):
        models.get("affine")
    models.load("affine")
    assert models.get("affine") is not first
    with pytest.raises(ModelNotFoundError, match="no model 'none' to unload; the names are: affine"):
        models.unload("none")


@pytest.fixture
def held_load(monkeypatch):
    """Loads wait from now on: an event that one has begun, and one that lets them go on."""
    entered, leave = threading.Event(), threading.Event()
    load = guarded_load.load

    def slow(*args):
        entered.set()
        assert leave.wait(PATIENCE)
        return load(*args)

    monkeypatch.setattr(guarded_load, "load", slow)
    return entered, leave


def test_others_are_looked_up_while_a_version_is_being_loaded(models, repository, onnx_models, held_load):
    entered, leave = held_load
    repository.onnx("affine", onnx_models.affine(2), 2)
    loading = threading.Thread(target=models.load_all)
    loading.start()
    assert entered.wait(PATIENCE)
    assert models.get("affine").version == "1"
    assert {each.version: each.state for each in models.statuses()} == {"1": State.READY, "2": State.LOADING}
    leave.set()
    loading.join(PATIENCE)
    assert models.get("affine").version == "2"
    assert all(each.state is not State.LOADING for each in models.statuses())


def test_a_model_that_is_being_loaded_first_is_known_and_not_ready(
    models, repository, onnx_models, held_load
):
    entered, leave = held_load
    assert not models.knows("other")
    repository.onnx("other", onnx_models.affine())
    loading = threading.Thread(target=models.load_all)
    loading.start()
    assert entered.wait(PATIENCE)
    assert models.knows("other")
    for version in ("", "1"):
        with pytest.raises(ModelNotReadyError, match="'other' is not ready: it is being loaded"):
            models.get("other", version)
    leave.set()
    loading.join(PATIENCE)
    assert models.get("other").version == "1"


def test_a_config_is_refused_where_nobody_reads_it(models, repository, onnx_models):
    repository.onnx("other", onnx_models.affine())
    repository.config("other", "")
    models.load_all()
    with pytest.raises(ModelNotReadyError, match=r"config\.pbtxt is not read here"):
        models.get("other")


def test_a_config_that_leads_out_of_the_repository_is_refused(models, repository):
    outside = repository.root.parent / "outside.pbtxt"
    outside.write_text("")
    (repository.root / "affine" / "config.pbtxt").symlink_to(outside)
    models.load_all()
    assert "leads out of the repository" in statuses(models)["affine", "1"][1]
    assert models.get("affine").version == "1"


def test_a_file_touched_without_change_is_loaded_again_and_swapped(models, repository):
    before, path = models.get("affine"), repository.root / "affine" / "1" / "model.onnx"
    content = path.read_bytes()
    time.sleep(0.01)
    path.write_bytes(content)
    models.load_all()
    assert models.get("affine") is not before
    assert models.gone == [before]
