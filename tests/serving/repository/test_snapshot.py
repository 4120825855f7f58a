import os
import time

import pytest

from serving.repository.config import ModelConfig
from serving.repository.repository import Repository
from serving.services.open_inference import config_message


@pytest.fixture
def opened(repository):
    return lambda: Repository(repository.root, parse=config_message.parse)


def held(opened, other, configs=None):
    """A repository that restored the snapshots of another."""
    made = opened()
    made.restore(other.snapshots(), configs or {})
    return made


def versions(repository, name="affine"):
    return [(each.version, each.ready) for each in repository.statuses() if each.name == name]


def test_another_process_comes_to_hold_the_same(repository, opened, onnx_models):
    for version in (1, 2):
        repository.onnx("affine", onnx_models.affine(version), version)
    repository.config("affine", "version_policy { all {} }")
    repository.onnx("bad", b"junk")
    first = opened()
    first.load_all()
    second = held(opened, first)
    assert second.snapshots() == first.snapshots()
    assert second.statuses() == first.statuses()


def test_what_was_published_since_is_left_alone(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine(1))
    first = opened()
    first.load_all()
    repository.onnx("affine", onnx_models.affine(2), 2)
    repository.onnx("simple", onnx_models.add_sub())
    second = held(opened, first)
    assert second.names() == ("affine",)
    assert versions(second) == [("1", True)]
    assert second.snapshots() == first.snapshots()


def test_what_was_taken_back_stays_taken_back(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine())
    repository.onnx("simple", onnx_models.add_sub())
    first = opened()
    first.load_all()
    first.unload("affine")
    second = held(opened, first)
    assert versions(second) == [("1", False)]
    assert second.statuses() == first.statuses()


def test_a_config_that_a_request_brought_is_used_again(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine())
    config = ModelConfig(max_batch_size=3)
    first = opened()
    first.load("affine", config)
    assert held(opened, first).snapshots() != first.snapshots()
    second = held(opened, first, {"affine": config})
    assert second.get("affine").max_batch_size == 3
    assert second.snapshots() == first.snapshots()


def test_files_that_have_changed_since_show(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine(1))
    first = opened()
    first.load_all()
    file = repository.root / "affine" / "1" / "model.onnx"
    file.write_bytes(onnx_models.affine(5))
    os.utime(file, (time.time() + 5,) * 2)
    second = held(opened, first)
    assert versions(second) == [("1", True)]
    assert second.snapshots() != first.snapshots()


def test_files_that_are_gone_show(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine(1))
    repository.onnx("simple", onnx_models.add_sub())
    first = opened()
    first.load_all()
    (repository.root / "affine" / "1").rename(repository.root / ".away")
    assert held(opened, first).names() == ("simple",)


def test_a_process_that_serves_more_lets_go_of_it_and_keeps_what_it_has(repository, opened, onnx_models):
    repository.onnx("affine", onnx_models.affine(1))
    first, second = opened(), opened()
    first.load_all()
    repository.onnx("affine", onnx_models.affine(2), 2)
    repository.onnx("simple", onnx_models.add_sub())
    second.load_all()
    second.restore(first.snapshots(), {})
    assert second.snapshots() == first.snapshots()
    kept = second.get("affine")
    second.restore(first.snapshots(), {})
    assert second.get("affine") is kept
