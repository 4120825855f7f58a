"""Requests are joined only on the owner's word or the converter's proof, and the trial can disprove, never prove."""

import hashlib
import json

import numpy as np
import pytest
from coupled_models import COUPLED, INDEPENDENT, RARE, rarely_coupled, row_wise
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.publishing.triton_config import config as written_by_convert
from converter.signature import TensorSpec
from serving.repository.config import Batching, ModelConfig
from serving.repository.files import manifest
from serving.repository.files.manifest import proves_independent_rows
from serving.repository.loading import row_independence
from serving.repository.loading.batching_permission import HOW, decide
from serving.repository.loading.golden_request import Golden
from serving.repository.repository import Repository
from serving.runtimes.onnx import OnnxRuntime
from serving.services.open_inference import config_message

OWNERS = ModelConfig(max_batch_size=64, batching=Batching())
NOBODYS = ModelConfig(max_batch_size=64)
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A version's folder, filled anew by each example."""
    return tmp_path_factory.mktemp("model") / "1"


def put(place, model, *, proved=None):
    """Lay a model into a folder, with a manifest of it, of another file, or without one."""
    place.mkdir(exist_ok=True)
    (place / "model.onnx").write_bytes(model)
    (place / manifest.FILE).unlink(missing_ok=True)
    if proved is not None:
        vouch(place, hashlib.sha256(model if proved else b"another").hexdigest())
    return place / "model.onnx"


def vouch(place, digest, name="model.onnx", **entry):
    entry = {"sha256": digest, "rows_independent": True, **entry}
    (place / manifest.FILE).write_text(json.dumps({"schema": 1, "artefacts": {name: entry}}))


def decided(artefact, config, golden=None):
    return decide(OnnxRuntime(artefact), config, artefact, golden)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(make=st.sampled_from(COUPLED), seed=SEED, width=st.integers(2, 40))
def test_a_model_whose_rows_depend_on_each_other_is_joined_only_as_its_owner_wrote_and_with_a_warning(
    place, make, seed, width
):
    artefact = put(place, make(np.random.default_rng(seed), width), proved=True)
    assert not decided(artefact, NOBODYS).granted
    assert "its manifest says" in decided(artefact, NOBODYS).refuted
    owners = decided(artefact, OWNERS)
    assert owners.granted
    assert "dynamic_batching, but a trial found that output 'y' of a row is another alone" in owners.notice
    artefact = put(place, make(np.random.default_rng(seed), width))
    assert decided(artefact, NOBODYS).unproved


@settings(max_examples=60, deadline=None, derandomize=True)
@given(make=st.sampled_from(INDEPENDENT), seed=SEED, width=st.integers(2, 300))
def test_a_model_whose_rows_are_independent_is_joined_on_either_ground_and_on_no_other(
    place, make, seed, width
):
    artefact = put(place, make(np.random.default_rng(seed), width), proved=True)
    for config in (OWNERS, NOBODYS):
        found = decided(artefact, config)
        assert (found.granted, found.notice, found.refuted) == (True, "", "")
    for proved in (None, False):
        artefact = put(place, make(np.random.default_rng(seed), width), proved=proved)
        assert not decided(artefact, NOBODYS).granted


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEED, width=st.integers(1, 40))
def test_what_a_trial_cannot_find_is_not_joined_either_unless_somebody_answers_for_it(place, seed, width):
    artefact = put(place, rarely_coupled(np.random.default_rng(seed), width))
    calm, rare = np.zeros((1, width), np.float32), np.full((1, width), RARE, np.float32)
    runtime = OnnxRuntime(artefact)
    alone, together = (runtime.infer({"x": x}, ["y"])[0][0] for x in (calm, np.concatenate([calm, rare])))
    assert (alone != together).all()
    assert not decided(artefact, NOBODYS).granted


@pytest.mark.parametrize("make", [row_wise, COUPLED[0]])
def test_without_a_batch_nothing_is_joined_nor_tried(place, make, monkeypatch):
    monkeypatch.setattr("serving.repository.loading.batching_permission.coupling", None)
    artefact = put(place, make(np.random.default_rng(0), 3), proved=True)
    for most in (0, 1):
        config = ModelConfig(max_batch_size=most, batching=Batching())
        assert decided(artefact, config).granted is False


def text(**changed):
    entry = {"sha256": hashlib.sha256(b"model").hexdigest(), "rows_independent": True, **changed}
    return json.dumps({"artefacts": {"model.onnx": entry}})


@pytest.mark.parametrize(
    ("content", "proved"),
    [
        (text(), True),
        (text(rows_independent=False), False),
        (text(rows_independent=1), False),
        (text(rows_independent="true"), False),
        (text(sha256="0" * 64), False),
        (text(sha256=None), False),
        (text().replace("model.onnx", "model.tflite"), False),
        ("", False),
        ("[]", False),
        ('{"artefacts": {"model.onnx": true}}', False),
        ('{"artefacts": ["model.onnx"]}', False),
        ("[" * 100_000, False),
        ("\udcff", False),
        (None, False),
    ],
)
def test_only_a_whole_manifest_of_this_very_file_proves_anything(tmp_path, content, proved):
    (tmp_path / "model.onnx").write_bytes(b"model")
    if content is not None:
        (tmp_path / manifest.FILE).write_bytes(content.encode(errors="surrogateescape"))
    assert proves_independent_rows(tmp_path / "model.onnx") is proved


def test_a_manifest_that_is_too_large_or_no_file_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / manifest.FILE).write_text(text())
    monkeypatch.setattr(manifest, "LARGEST", len(text()) - 1)
    assert not proves_independent_rows(tmp_path / "model.onnx")
    (tmp_path / manifest.FILE).unlink()
    (tmp_path / manifest.FILE).mkdir()
    assert not proves_independent_rows(tmp_path / "model.onnx")


def test_every_file_of_a_saved_model_counts_and_what_convert_lays_beside_it_does_not(tmp_path):
    from converter.publishing.digest import sha256  # noqa: PLC0415  what wrote the manifest

    (tmp_path / "variables").mkdir()
    for name in ("saved_model.pb", "variables/variables.index", "variables.b"):
        (tmp_path / name).write_text(name)
    vouch(tmp_path, sha256(tmp_path), "saved_model.pb")
    (tmp_path / "golden.npz").write_bytes(b"beside")
    assert proves_independent_rows(tmp_path / "saved_model.pb")
    (tmp_path / "variables" / "variables.index").write_text("changed")
    assert not proves_independent_rows(tmp_path / "saved_model.pb")


# The trial.


def trial(artefact, golden=None):
    return row_independence.coupling(OnnxRuntime(artefact), OWNERS, golden)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEED, width=st.sampled_from((512, 1024)), depth=st.integers(1, 4))
def test_rounding_of_large_sums_is_not_taken_for_coupling(place, seed, width, depth):
    assert trial(put(place, row_wise(np.random.default_rng(seed), width, depth))) == ""


def test_a_tight_golden_tolerance_makes_no_coupling_of_rounding(place):
    golden = Golden({"x": np.zeros((1, 300), np.float32)}, 0.0, 0.0)
    assert trial(put(place, row_wise(np.random.default_rng(0), 300)), golden) == ""


def test_what_the_golden_request_allows_is_allowed(function_model):
    runtime = function_model(lambda x: {"y": x + np.float32(1e-3) * (len(x) - 1)}).runtime
    for atol, found in ((1e-4, True), (0.1, False)):
        golden = Golden({"x": np.zeros((2, 2), np.float32)}, atol, 0.0)
        assert bool(row_independence.coupling(runtime, OWNERS, golden)) is found


@pytest.mark.parametrize("shape", [(-1, -1), (-1, 3, -1)])
def test_sizes_that_requests_choose_are_chosen(function_model, shape):
    def centred(x):
        return {"y": x - x.mean(axis=0)}

    for function, found in ((centred, True), (np.copy, False)):
        answers = function if found else lambda x: {"y": x.copy()}
        model = function_model(answers, shape=shape)
        assert bool(row_independence.coupling(model.runtime, OWNERS, None)) is found


def test_a_model_that_is_random_tells_nothing(function_model):
    random = np.random.default_rng(0)
    model = function_model(lambda x: {"y": x + random.random(x.shape, np.float32)})
    assert row_independence.coupling(model.runtime, OWNERS, None) == ""


@pytest.mark.parametrize("steady", [True, False])
def test_what_no_number_is_must_not_reach_others_and_is_not_asked_where_it_could_be_a_count(
    function_model, steady
):
    asked = []

    def poisoned(x):
        asked.append(x)
        with np.errstate(invalid="ignore"):
            return {"y": x + 0 * x.sum()}

    runtime = function_model(poisoned).runtime
    runtime.steady = steady
    assert bool(row_independence.coupling(runtime, OWNERS, None)) is steady
    assert any(not np.isfinite(x).all() for x in asked) is steady


def test_a_model_that_takes_none_of_the_rows_tells_nothing(function_model):
    def picky(x):
        raise ValueError(x.shape)

    assert row_independence.coupling(function_model(picky).runtime, OWNERS, None) == ""


def test_a_model_that_fails_among_copies_tells_nothing(function_model):
    def choosy(x):
        if len(x) > 1 and (x == x[0]).all():
            raise ValueError(x.shape)
        return {"y": x * len(x)}

    assert row_independence.coupling(function_model(choosy).runtime, OWNERS, None) == ""


def test_numbers_that_mean_something_are_taken_from_the_golden_request(function_model):
    def looked_up(x):
        if not np.isin(x, (3.0, 5.0)).all():
            raise KeyError(x)
        return {"y": x / len(x)}

    golden = Golden({"x": np.array([[3.0, 5.0]], np.float32)}, 1e-5, 1e-4)
    assert row_independence.coupling(function_model(looked_up).runtime, OWNERS, None) == ""
    assert row_independence.coupling(function_model(looked_up).runtime, OWNERS, golden)


def test_a_slow_model_is_asked_for_two_rows_alone_and_together_in_both_orders(function_model, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(row_independence, "perf_counter", lambda: now[0])

    def slow(x):
        now[0] += row_independence.SECONDS
        return {"y": x}

    runtime = function_model(slow).runtime
    assert row_independence.coupling(runtime, OWNERS, None) == ""
    assert runtime.batches == [1, 2, 1, 2]


def test_a_batch_of_gigabytes_is_not_tried(function_model, monkeypatch):
    runtime = function_model(lambda x: {"y": x}).runtime
    monkeypatch.setattr(row_independence, "FULL", 3 * 2 * 4)
    assert row_independence.coupling(runtime, OWNERS, None) == ""
    assert max(runtime.batches) == 3


# The repository.


def loaded(repository, model, config=None, *, proved=None):
    version = repository.version("m")
    put(version, model, proved=proved)
    if config is not None:
        repository.config("m", config)
    made = Repository(repository.root, parse=config_message.parse)
    made.load_all()
    return made


def test_the_owners_word_is_served_with_one_warning_in_log_and_index(repository, caplog):
    models = loaded(repository, COUPLED[0](np.random.default_rng(0), 3), "dynamic_batching { }")
    (status,) = models.statuses()
    assert status.ready
    assert "answers depend on what other clients ask" in status.reason
    models.load("m")
    (record,) = caplog.records
    assert status.reason in record.getMessage()
    assert models.get("m").run_rows == 64


def test_a_proof_that_the_trial_disproves_is_not_believed_and_the_log_says_so(repository, caplog):
    models = loaded(repository, COUPLED[0](np.random.default_rng(0), 3), proved=True)
    (status,) = models.statuses()
    assert (status.ready, status.reason) == (True, "")
    (record,) = caplog.records
    assert "its manifest says that rows do not depend on each other, but a trial found" in record.getMessage()
    assert models.get("m").run_rows == 1
    assert not config_message.from_loaded_model(models.get("m")).HasField("dynamic_batching")


def test_the_log_says_once_how_to_have_batches(repository, caplog):
    caplog.set_level("INFO", "serving.repository.load_log")
    models = loaded(repository, row_wise(np.random.default_rng(0), 3))
    put(repository.version("m", 2), row_wise(np.random.default_rng(1), 3))
    models.load_all()
    assert models.get("m").version == "2"
    assert [record.getMessage() for record in caplog.records] == [f"model 'm': {HOW}"]


@pytest.mark.parametrize("proved", [True, False])
def test_what_convert_wrote_is_not_the_owners_word_until_he_changes_it(repository, proved):
    specs = [TensorSpec(name, (None, 3), "float32") for name in "xy"]
    written = written_by_convert("onnx", specs[:1], specs[1:], joins=True)
    assert "dynamic_batching" in written
    model = row_wise(np.random.default_rng(0), 3)
    models = loaded(repository, model, written, proved=proved)
    assert models.get("m").batching_permission.granted is proved
    message = config_message.from_loaded_model(models.get("m"))
    assert message.HasField("dynamic_batching") is proved
    repository.config("m", written.replace("64", "32"))
    models.load_all()
    assert models.get("m").batching_permission.granted
    assert models.get("m").run_rows == 32


def test_64_derived_rows_bound_a_run_and_stated_ones_a_request_too(repository):
    models = loaded(repository, row_wise(np.random.default_rng(0), 3), proved=True)
    assert (models.get("m").run_rows, models.get("m").request_rows) == (64, 0)
    repository.config("m", "max_batch_size: 8")
    models.load_all()
    assert (models.get("m").run_rows, models.get("m").request_rows) == (8, 8)
