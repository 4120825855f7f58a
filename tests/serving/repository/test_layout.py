import pytest

from serving.errors import ModelLoadError, RepositoryError
from serving.repository import layout


def test_models_and_numeric_versions_are_found_and_nothing_else(repository):
    for version in ("1", "10", "2", "00000123"):
        repository.version("digits", version)
    for other in (".staging", "latest", "1.5", "-3", "٣"):
        repository.version("digits", other)
    repository.version(".hidden")
    repository.root.joinpath("notes").mkdir()
    repository.root.joinpath("README").write_text("about")
    found = layout.scan(repository.root)
    assert list(found) == ["digits"]
    assert sorted(found["digits"].versions) == [1, 2, 10, 123]


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
    assert layout.artefact(folder, repository.root) == folder / name


def test_a_version_without_a_model_says_what_was_expected(repository):
    with pytest.raises(ModelLoadError, match=r"holds no model; expected one of model\.onnx"):
        layout.artefact(repository.version("digits"), repository.root)


def test_two_artefacts_in_a_version_are_ambiguous(repository):
    folder = repository.version("digits")
    (folder / "model.onnx").write_text("")
    (folder / "model.tflite").write_text("")
    with pytest.raises(ModelLoadError, match=r"model\.onnx and model\.tflite"):
        layout.artefact(folder, repository.root)


def test_a_link_within_the_repository_is_followed_and_one_out_of_it_is_not(repository, tmp_path):
    inside, outside = repository.root / "shared.onnx", tmp_path / "secret.onnx"
    for number, target in enumerate((inside, outside), 1):
        target.write_text("")
        (repository.version("digits", number) / "model.onnx").symlink_to(target)
    first, second = (repository.root / "digits" / version for version in "12")
    assert layout.artefact(first, repository.root) == first / "model.onnx"
    with pytest.raises(ModelLoadError, match="leads out of the repository"):
        layout.artefact(second, repository.root)


def test_a_version_folder_that_is_a_link_out_is_refused(repository, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.onnx").write_text("")
    (repository.root / "digits").mkdir()
    (repository.root / "digits" / "1").symlink_to(outside)
    folder = layout.scan(repository.root)["digits"].versions[1]
    with pytest.raises(ModelLoadError, match="leads out of the repository"):
        layout.artefact(folder, repository.root)
