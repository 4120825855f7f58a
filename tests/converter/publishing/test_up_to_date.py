"""When the newest versions in a repository are what a conversion would make again."""

import importlib.metadata
import json
from dataclasses import replace

import pytest

from converter.options import Options
from converter.publishing import digest, up_to_date
from converter.publishing.manifest import manifest_text
from converter.publishing.model_repository import ARTEFACTS, artefact_sha256

TARGETS = ("onnx", "saved_model")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "digits.keras"
    path.write_bytes(b"a model")
    return path


@pytest.fixture
def options(tmp_path):
    return Options(targets=TARGETS, repository=tmp_path / "served", skip_unchanged=True)


@pytest.fixture
def made(source, options):
    """The first version of both targets, recorded as a conversion does."""
    for target in TARGETS:
        version(options, source, target, 1)
    return options


def version(options, source, target, number):
    folder = options.repository / f"digits_{target}" / str(number)
    folder.mkdir(parents=True)
    (folder / ARTEFACTS[target]).write_bytes(b"an artefact")
    entry = {
        "recipe": up_to_date.recipe(digest.sha256(source), options),
        "sha256": artefact_sha256(folder, target),
        "rows_independent": True,
    }
    text = manifest_text(folder / "manifest.json", {}, {ARTEFACTS[target]: entry})
    (folder / "manifest.json").write_text(text)
    (folder / "golden.npz").write_bytes(b"added last")
    return folder


def test_what_was_made_from_the_same_is_current(source, made):
    assert up_to_date.is_current(source, made)


def test_nothing_is_current_before_the_first_version(source, options):
    assert not up_to_date.is_current(source, options)


def test_another_file_of_the_same_name_is_not(source, made):
    source.write_bytes(b"another model")
    assert not up_to_date.is_current(source, made)


@pytest.mark.parametrize(
    "change", [{"fold": False}, {"parity": False}, {"atol": 1e-3}, {"seed": 1}, {"name": "other"}]
)
def test_other_options_are_not(source, made, change):
    assert not up_to_date.is_current(source, replace(made, **change))


def test_other_samples_are_not(source, made, tmp_path):
    samples = tmp_path / "samples.npz"
    samples.write_bytes(b"1")
    assert not up_to_date.is_current(source, replace(made, samples=samples))


def test_another_version_of_a_tool_is_not(source, made, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda _: "9.9")
    assert not up_to_date.is_current(source, made)


def test_a_tool_that_is_missing_is_left_to_the_conversion_to_tell(source, made, monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    assert not up_to_date.is_current(source, made)


def test_a_target_that_is_missing_makes_all_of_them_due(source, made):
    assert not up_to_date.is_current(source, replace(made, targets=(*TARGETS, "tflite")))


@pytest.mark.parametrize("target", TARGETS)
def test_an_artefact_that_was_changed_is_not(source, made, target):
    (made.repository / f"digits_{target}" / "1" / ARTEFACTS[target]).write_bytes(b"damaged")
    assert not up_to_date.is_current(source, made)


@pytest.mark.parametrize("text", ["", "[]", '{"artefacts": {}}', '{"artefacts": {"model.onnx": {}}}'])
def test_a_manifest_that_does_not_say_is_not(source, made, text):
    (made.repository / "digits_onnx" / "1" / "manifest.json").write_text(text)
    assert not up_to_date.is_current(source, made)


def test_an_older_version_that_says_nothing_of_rows_is_not(source, made):
    manifest_file = made.repository / "digits_onnx" / "1" / "manifest.json"
    entries = json.loads(manifest_file.read_text())
    del entries["artefacts"]["model.onnx"]["rows_independent"]
    manifest_file.write_text(json.dumps(entries))
    assert not up_to_date.is_current(source, made)


def test_the_newest_version_counts_by_number(source, made):
    folder = version(made, source, "onnx", 10)
    assert up_to_date.is_current(source, made)
    manifest_file = folder / "manifest.json"
    entries = json.loads(manifest_file.read_text())
    entries["artefacts"]["model.onnx"]["recipe"] = "another"
    manifest_file.write_text(json.dumps(entries))
    assert not up_to_date.is_current(source, made)


def test_a_file_that_is_not_there_is_left_to_the_conversion_to_refuse(made, tmp_path):
    assert not up_to_date.is_current(tmp_path / "absent.keras", made)
