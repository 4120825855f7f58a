"""Links within a repository are followed; whatever leads out of it is refused, with the reason."""

import os
from pathlib import Path

import pytest

from serving.errors import ModelLoadError, ModelNotReadyError
from serving.repository.files import fingerprint
from serving.repository.files.confinement import beside, is_inside
from serving.repository.repository import Repository
from serving.services.open_inference import config_message


@pytest.fixture
def outside(tmp_path, onnx_models):
    """A model that lies beside the repository."""
    folder = tmp_path / "outside"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(onnx_models.affine())
    (folder / "config.pbtxt").write_text("max_batch_size: 4")
    (folder / "labels.txt").write_text("secret\n")
    return folder


def loaded(repository):
    models = Repository(repository.root, parse=config_message.parse)
    models.load_all()
    return models


def reason(repository, model="m"):
    with pytest.raises(ModelNotReadyError) as error:
        loaded(repository).get(model)
    return str(error.value)


def test_a_repository_mounted_by_kubernetes_is_served(repository, onnx_models):
    data = repository.root / "..2026_01_01"
    (data / "m" / "1").mkdir(parents=True)
    (data / "m" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    (repository.root / "..data").symlink_to(data.name)
    (repository.root / "m").symlink_to("..data/m")
    assert list(loaded(repository).versions("m")) == ["1"]


def test_a_repository_that_is_itself_a_link_is_served(repository, onnx_models, tmp_path):
    repository.onnx("m", onnx_models.affine())
    (tmp_path / "current").symlink_to(repository.root)
    models = Repository(tmp_path / "current")
    models.load_all()
    assert models.get("m")


def test_versions_may_share_files_by_links(repository, onnx_models):
    (repository.root / "shared.onnx").write_bytes(onnx_models.affine())
    (repository.version("m") / "model.onnx").symlink_to("../../shared.onnx")
    (repository.root / "m" / "2").symlink_to("1")
    assert loaded(repository).get("m", "2")


@pytest.mark.parametrize("target", ["outside", "outside/1", "/"])
def test_a_model_folder_that_is_a_link_out_is_refused(repository, outside, target):
    (repository.root / "m").symlink_to(outside.parent / target)
    (repository.root / "n").symlink_to(outside)
    assert "link that leads out of the repository" in reason(repository, "n")
    assert "m" not in loaded(repository).names() or "leads out of the repository" in reason(repository)


@pytest.mark.parametrize("target", ["outside/1", "/"])
def test_a_version_folder_that_is_a_link_out_is_refused_and_not_searched(
    repository, outside, target, monkeypatch
):
    (repository.root / "m").mkdir()
    (repository.root / "m" / "1").symlink_to(outside.parent / target)
    looked = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(Path(path)) or scandir(path))
    assert "version 1: its folder is a link that leads out of the repository; put what" in reason(repository)
    assert set(looked) == {repository.root / "m"}


@pytest.mark.parametrize("name", ["model.onnx", "weights.bin", "model.savedmodel/variables", "golden.npz"])
def test_a_link_out_anywhere_in_a_version_is_refused(repository, outside, onnx_models, name):
    folder = repository.version("m")
    if name != "model.onnx":
        (folder / "model.onnx").write_bytes(onnx_models.affine())
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(outside / "1" / "model.onnx")
    assert f"{name} is a link that leads out of the repository" in reason(repository)


def test_a_link_out_behind_a_link_inside_is_refused(repository, outside, onnx_models):
    repository.onnx("m", onnx_models.affine())
    (repository.root / "shared").mkdir()
    (repository.root / "shared" / "secret").symlink_to(outside)
    (repository.root / "m" / "1" / "assets").symlink_to("../../shared")
    assert "assets/secret is a link that leads out" in reason(repository)


def test_a_config_that_is_a_link_out_is_refused(repository, outside, onnx_models):
    repository.onnx("m", onnx_models.affine())
    (repository.root / "m" / "config.pbtxt").symlink_to(outside / "config.pbtxt")
    assert "config.pbtxt is a link that leads out of the repository" in reason(repository)


def test_links_in_a_circle_end(repository, onnx_models):
    repository.onnx("good", onnx_models.affine())
    (repository.root / "good" / "1" / "up").symlink_to("..")
    repository.onnx("bad", onnx_models.affine())
    (repository.root / "bad" / "1" / "self").symlink_to("self")
    assert loaded(repository).get("good")
    assert "self is a link that leads out" in reason(repository, "bad")


@pytest.mark.parametrize("name", ["model.onnx", "extra"])
def test_a_pipe_is_refused_and_not_waited_for(repository, onnx_models, name):
    folder = repository.version("m")
    if name == "extra":
        (folder / "model.onnx").write_bytes(onnx_models.affine())
    os.mkfifo(folder / name)
    assert f"{name} is neither a file nor a folder" in reason(repository)


def test_a_version_that_becomes_a_link_out_goes_on_answering_as_it_was(repository, outside, onnx_models):
    repository.onnx("m", onnx_models.affine())
    models = loaded(repository)
    before = models.get("m")
    (repository.root / "m" / "1").rename(repository.root / ".kept")
    (repository.root / "m" / "1").symlink_to(outside / "1")
    models.load_all()
    assert models.get("m") is before
    assert "leads out" in models.statuses()[0].reason


LABELS = 'output [{{ name: "y" data_type: TYPE_FP32 dims: [3] label_filename: "{}" }}]'


@pytest.mark.parametrize(
    "name", ["../labels.txt", "/etc/hostname", "1/../../labels.txt", "..", ".", "", "a\\000b", "folder"]
)
def test_labels_come_from_the_models_own_folder_only(repository, onnx_models, name):
    repository.onnx("m", onnx_models.affine())
    (repository.root / "labels.txt").write_text("other\n")
    (repository.root / "m" / "folder").mkdir()
    repository.config("m", LABELS.format(name))
    if name == "":
        assert loaded(repository).get("m").labels == {}
    else:
        assert "its config names the file" in reason(repository)


def test_labels_may_be_a_link_within_the_repository_and_not_out_of_it(repository, outside, onnx_models):
    (repository.root / "shared.txt").write_text("cat\ndog\n")
    for model, target in (("good", "../shared.txt"), ("bad", outside / "labels.txt")):
        repository.onnx(model, onnx_models.affine())
        (repository.root / model / "labels.txt").symlink_to(target)
        repository.config(model, LABELS.format("labels.txt"))
    assert loaded(repository).get("good").labels == {"y": ("cat", "dog")}
    assert "'labels.txt' is a link that leads out" in reason(repository, "bad")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('default_model_filename: "../../outside/1/model.onnx"', "calls the model's file"),
        ('default_model_filename: "/etc/passwd"', "calls the model's file"),
        ('cc_model_filenames { key: "7.0" value: "../x.onnx" }', "sets 'cc_model_filenames'"),
        ('model_operations { op_library_filename: "evil.so" }', "sets 'model_operations"),
        (
            'model_warmup { inputs { key: "x" value { dims: 3 input_data_file: "../../../etc/passwd" } } }',
            "sets 'model_warmup.inputs.value.input_data_file'",
        ),
        ('parameters { key: "session.register_custom_ops_library" value { string_value: "/evil.so" } }', ""),
    ],
)
def test_a_config_cannot_name_other_files(repository, onnx_models, text, field):
    repository.onnx("m", onnx_models.affine())
    repository.config("m", text)
    if field:
        assert field in reason(repository)
    else:  # parameters are kept for who asks, and change nothing
        assert loaded(repository).get("m")


def test_what_is_inside_is_known_whatever_the_spelling(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    assert is_inside(root / "a" / ".." / "b", root)
    assert not is_inside(root / ".." / "rooted", root)
    assert not is_inside(tmp_path / "root2", root)


def test_an_empty_folder_holds_nothing_wrong(repository):
    fingerprint.version(repository.version("m"), repository.root)
    with pytest.raises(ModelLoadError, match="not there"):
        beside(repository.root / "m", "labels.txt", repository.root)
