import os

import pytest

from serving.errors import ModelLoadError, RepositoryError
from serving.repository.files import layout
from serving.repository.repository import Repository


def test_folders_are_models_and_numeric_ones_in_them_versions_and_nothing_else_is(repository):
    for version in ("1", "10", "2", "00000123"):
        repository.version("digits", version)
    for other in (".staging", "latest", "1.5", "-3", "٣"):
        repository.version("digits", other)
    repository.version(".hidden")
    for folder in ("notes", "lost+found"):
        repository.root.joinpath(folder).mkdir()
    repository.root.joinpath("README").write_text("about")
    found = layout.scan(repository.root)
    assert list(found) == ["digits", "notes"]
    assert sorted(found["digits"].versions) == [1, 2, 10, 123]
    assert not found["notes"].versions


def test_a_name_that_nobody_can_ask_for_is_left_out_and_told_once(repository, onnx_models, caplog):
    repository.onnx("ü", onnx_models.affine())
    repository.version(os.fsdecode(b"bad\xff"))
    assert [*layout.scan(repository.root)] == ["ü"]
    scanned = Repository(repository.root)
    scanned.load_all()
    scanned.load_all()
    assert scanned.absent() == []
    (record,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert record.getMessage() == "a folder is left out, whose name is not UTF-8: 'bad\\udcff'; rename it"


def test_a_missing_repository_is_named(tmp_path):
    with pytest.raises(RepositoryError, match=r"cannot read the repository.*none.*No such file"):
        layout.scan(tmp_path / "none")


def test_a_file_is_no_repository(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RepositoryError, match="Not a directory"):
        layout.scan(tmp_path / "file")


def test_an_empty_repository_says_what_was_expected(tmp_path):
    with pytest.raises(RepositoryError, match=r"holds no model; expected MODEL/VERSION/FILE.*model\.onnx"):
        layout.scan(tmp_path)


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "saved_model.pb"])
def test_the_artefact_is_found_by_its_name(repository, name):
    folder = repository.version("digits")
    (folder / name).write_text("")
    (folder / "manifest.json").write_text("")
    assert layout.artefact(folder) == folder / name


def test_a_version_without_a_model_says_what_was_expected(repository):
    with pytest.raises(ModelLoadError, match=r"holds no model; expected one of model\.onnx"):
        layout.artefact(repository.version("digits"))


def test_two_artefacts_in_a_version_are_ambiguous(repository):
    folder = repository.version("digits")
    (folder / "model.onnx").write_text("")
    (folder / "model.tflite").write_text("")
    with pytest.raises(ModelLoadError, match=r"model\.onnx and model\.tflite"):
        layout.artefact(folder)


def test_of_two_artefacts_the_owner_may_name_one(repository):
    folder = repository.version("digits")
    (folder / "model.onnx").write_text("")
    (folder / "model.tflite").write_text("")
    assert layout.artefact(folder, "model.tflite") == folder / "model.tflite"
    with pytest.raises(ModelLoadError, match=r"calls the model's file 'saved_model\.pb', which is not there"):
        layout.artefact(folder, "saved_model.pb")
