import numpy as np
import pytest

from serving.errors import InvalidInputError, ModelNotFoundError, ModelNotReadyError, RepositoryError
from serving.repository.config import ModelConfig, VersionPolicy
from serving.repository.repository import Repository


@pytest.fixture
def load(repository):
    def loaded(config=None):
        made = Repository(repository.root, config)
        made.load_all()
        return made

    return loaded


def test_the_latest_version_is_served_and_others_on_request(repository, onnx_models, load):
    for version in (1, 2, 10):
        repository.onnx("affine", onnx_models.affine(version), version)
    models = load(ModelConfig(versions=VersionPolicy(latest=None)))
    assert models.get("affine").version == "10"
    assert models.get("affine", "2").version == "2"
    assert models.versions("affine") == ("1", "2", "10")
    (y,) = models.get("affine", "2").runtime.infer({"x": np.ones((1, 3), np.float32)}, ["y"])
    assert y.tolist() == [[3.0, 3.0, 3.0]]


def test_only_the_highest_versions_are_loaded_if_the_owner_says_so(repository, onnx_models, load):
    for version in (1, 2, 10):
        repository.onnx("affine", onnx_models.affine(), version)
    assert load().versions("affine") == ("10",)
    assert load(ModelConfig(versions=VersionPolicy(latest=2))).versions("affine") == ("2", "10")
    specific = VersionPolicy(latest=None, specific=(1, 2))
    assert load(ModelConfig(versions=specific)).versions("affine") == ("1", "2")


def test_a_bad_model_is_not_ready_with_the_reason_and_others_serve(repository, onnx_models, load):
    repository.onnx("good", onnx_models.affine())
    repository.onnx("bad", b"junk")
    repository.version("hollow")
    models = load()
    assert models.get("good").version == "1"
    with pytest.raises(ModelNotReadyError, match="'bad' is not ready: version 1: onnxruntime cannot load it"):
        models.get("bad")
    with pytest.raises(ModelNotReadyError, match="'hollow' version 1 is not ready: it holds no model"):
        models.get("hollow", "1")
    assert {status.name: status.ready for status in models.statuses()} == {
        "bad": False,
        "good": True,
        "hollow": False,
    }


def test_a_bad_newest_version_does_not_replace_a_good_one(repository, onnx_models, load):
    repository.onnx("affine", onnx_models.affine(), 1)
    repository.onnx("affine", b"junk", 2)
    models = load()
    assert models.get("affine").version == "1"
    with pytest.raises(ModelNotReadyError, match="version 2 is not ready"):
        models.get("affine", "2")


def test_a_wrong_golden_answer_keeps_a_version_from_being_ready(repository, onnx_models, load):
    repository.onnx("affine", onnx_models.affine())
    x = np.ones((2, 3), np.float32)
    np.savez(repository.root / "affine" / "1" / "golden.npz", **{"input:x": x, "output:y": 2 * x + 1})
    assert load().get("affine").version == "1"
    np.savez(repository.root / "affine" / "1" / "golden.npz", **{"input:x": x, "output:y": 4 * x})
    with pytest.raises(ModelNotReadyError, match=r"'y' differs from golden\.npz"):
        load().get("affine")


def test_reasons_reveal_no_paths(repository, load):
    repository.onnx("bad", b"junk")
    (repository.version("lite") / "model.tflite").write_bytes(b"junk")
    for status in load().statuses():
        assert status.reason
        assert str(repository.root) not in status.reason
        assert "\n" not in status.reason


def test_an_unknown_model_is_told_which_there_are(repository, onnx_models, load):
    for number in range(7):
        repository.onnx(f"m{number}", onnx_models.affine())
    with pytest.raises(ModelNotFoundError, match=r"no model 'x' here; .* m0, m1, m2, m3, m4 and 2 more"):
        load().get("x")


def test_an_unknown_version_is_told_which_there_are(repository, onnx_models, load):
    repository.onnx("affine", onnx_models.affine(), 3)
    with pytest.raises(ModelNotFoundError, match="has no version 4; it has: 3"):
        load().get("affine", "4")


@pytest.mark.parametrize("version", ["x", "-1", "1.0", "../1", " 1", "٣", "1\n"])
def test_a_version_that_is_no_number_is_the_clients_fault(repository, onnx_models, load, version):
    repository.onnx("affine", onnx_models.affine())
    with pytest.raises(InvalidInputError, match="must be a number"):
        load().get("affine", version)


@pytest.mark.parametrize("name", ["..", "../repository/affine", "/etc", "affine/1", ".", "", "affine\0"])
def test_names_never_leave_the_repository(repository, onnx_models, load, name):
    repository.onnx("affine", onnx_models.affine())
    with pytest.raises(ModelNotFoundError):
        load().get(name)


def test_an_empty_repository_is_an_error(load):
    with pytest.raises(RepositoryError, match="holds no model"):
        load()


def test_a_free_batch_means_64_rows_and_a_fixed_one_means_none(repository, onnx_models, load):
    repository.onnx("free", onnx_models.affine())
    repository.onnx("fixed", onnx_models.add_sub())
    models = load()
    assert models.get("free").max_batch_size == 64
    assert models.get("fixed").max_batch_size == 0
    assert load(ModelConfig(max_batch_size=4)).get("free").max_batch_size == 4
