"""Which models are loaded: tritonclient, unmodified, against a server in each control mode."""

import numpy as np
import pytest
from patience import until
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow

EXPLICIT = ("--model-control-mode", "explicit")


def ask(client, scale_of="affine", **options):
    x = triton.InferInput("x", [1, 3], "FP32")
    x.set_data_from_numpy(np.ones((1, 3), np.float32))
    result = client.infer(scale_of, [x], **options)
    return result.as_numpy("y")[0, 0] - 1, result.get_response().model_version


def index(client):
    return {
        (each.name, each.version): (each.state, each.reason)
        for each in client.get_model_repository_index().models
    }


@pytest.fixture
def served(repository, onnx_models, start_server):
    """Start a server for a repository with one good model, ``affine``; give a client of it."""
    clients = []

    def serve(*options):
        repository.onnx("affine", onnx_models.affine(1), 1)
        server = start_server(repository.root, *options)
        clients.append(triton.InferenceServerClient(server.address))
        return clients[-1]

    yield serve
    for client in clients:
        client.close()


def test_explicit_loads_nothing_until_asked_and_takes_it_back(served):
    client = served(*EXPLICIT)
    assert client.is_server_ready()
    assert index(client) == {("affine", ""): ("", "")}
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        ask(client)
    client.load_model("affine")
    assert client.is_model_ready("affine")
    assert ask(client) == (1, "1")
    assert index(client) == {("affine", "1"): ("READY", "")}
    client.unload_model("affine")
    assert not client.is_model_ready("affine")
    assert index(client) == {("affine", "1"): ("UNAVAILABLE", "unloaded")}
    with pytest.raises(InferenceServerException, match=r"UNAVAILABLE.*unloaded"):
        ask(client)
    assert client.is_server_ready()
    client.load_model("affine")
    assert ask(client) == (1, "1")


def test_explicit_loads_what_the_command_names(served):
    assert ask(served(*EXPLICIT, "--load-model", "affine")) == (1, "1")


def test_explicit_loads_everything_for_a_star(served):
    assert ask(served(*EXPLICIT, "--load-model", "*")) == (1, "1")


def test_a_load_takes_the_newest_version_and_a_bad_one_changes_nothing(served, repository, onnx_models):
    client = served(*EXPLICIT, "--load-model", "affine")
    repository.onnx("affine", onnx_models.affine(2), 2)
    client.load_model("affine")
    assert ask(client) == (2, "2")
    repository.onnx("affine", b"junk", 3)
    with pytest.raises(
        InferenceServerException, match=r"UNAVAILABLE.*failed to load 'affine', version 3: onnxruntime"
    ):
        client.load_model("affine")
    assert ask(client) == (2, "2")
    assert client.is_model_ready("affine")
    states = index(client)
    assert states["affine", "1"] == ("UNAVAILABLE", "unloaded")
    assert states["affine", "2"] == ("READY", "")
    assert states["affine", "3"][0] == "UNAVAILABLE"
    assert "onnxruntime cannot load it" in states["affine", "3"][1]
    ready = client.get_model_repository_index()
    assert {each.version for each in ready.models if each.state == "READY"} == {"2"}


def test_a_wrong_golden_answer_keeps_the_old_version(served, repository, onnx_models):
    client = served(*EXPLICIT, "--load-model", "affine")
    repository.onnx("affine", onnx_models.affine(2), 2)
    x = np.ones((1, 3), np.float32)
    np.savez(repository.root / "affine" / "2" / "golden.npz", **{"input:x": x, "output:y": 9 * x})
    with pytest.raises(InferenceServerException, match=r"differs from golden\.npz"):
        client.load_model("affine")
    assert ask(client) == (1, "1")


def test_a_config_may_come_with_the_load(served):
    client = served(*EXPLICIT)
    client.load_model("affine", config='{"max_batch_size": 2, "parameters": {"a": {"string_value": "b"}}}')
    config = client.get_model_config("affine").config
    assert config.max_batch_size == 2
    assert config.parameters["a"].string_value == "b"
    client.load_model("affine")
    assert client.get_model_config("affine").config.max_batch_size == 64


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('{"input": [' + ",".join(["{}"] * 5000) + "]}", "has 5001 objects, and 4096 are the most"),
        ('{"name": "' + "x" * 300_000 + '"}', "has 300012 characters, and 262144 are the most"),
    ],
)
def test_a_config_that_takes_long_to_read_is_refused(served, config, told):
    with pytest.raises(InferenceServerException, match=f"INVALID_ARGUMENT.*'config' {told}"):
        served(*EXPLICIT).load_model("affine", config=config)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"config": "{"}, "not valid"),
        ({"config": '{"sequence_batching": {}}'}, "'sequence_batching', which this server does not do"),
        ({"config": "{}", "files": {"file:1/model.onnx": b"x"}}, "UNIMPLEMENTED.*brings a file"),
    ],
)
def test_a_load_that_asks_for_too_much_is_refused(served, options, error):
    client = served(*EXPLICIT)
    with pytest.raises(InferenceServerException, match=error):
        client.load_model("affine", **options)
    assert not any(state == "READY" for state, _ in index(client).values())


@pytest.mark.parametrize("name", ["none", "../affine", "affine/1", ""])
def test_what_is_not_in_the_repository_cannot_be_loaded_or_unloaded(served, name):
    client = served(*EXPLICIT)
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.load_model(name)
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.unload_model(name)


@pytest.mark.parametrize("options", [(), ("--model-control-mode", "poll")])
def test_only_explicit_lets_requests_decide(served, options):
    client = served(*options)
    for change in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*--model-control-mode explicit"):
            change("affine")
    assert ask(client) == (1, "1")


def test_poll_sees_what_comes_what_changes_what_breaks_and_what_goes(served, repository, onnx_models):
    client = served("--model-control-mode", "poll", "--repository-poll-secs", "0.05")
    assert ask(client) == (1, "1")
    repository.onnx("affine", onnx_models.affine(2), 2)
    until(lambda: ask(client) == (2, "2"))
    (repository.root / "affine" / "2" / "model.onnx").write_bytes(onnx_models.affine(5))
    until(lambda: ask(client) == (5, "2"))
    repository.onnx("affine", b"junk", 3)
    until(lambda: ("affine", "3") in index(client))
    until(lambda: index(client)["affine", "3"][0] == "UNAVAILABLE")
    assert ask(client) == (5, "2")
    repository.onnx("other", onnx_models.affine(7))
    until(lambda: index(client).get(("other", "1")) == ("READY", ""))
    assert client.is_model_ready("other")
    assert ask(client, "other") == (7, "1")
    (repository.root / "other").rename(repository.root / ".gone")
    until(lambda: ("other", "1") not in index(client))
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        ask(client, "other")


def test_poll_keeps_a_version_whose_files_were_replaced_by_bad_ones(served, repository):
    client = served("--model-control-mode", "poll", "--repository-poll-secs", "0.05")
    (repository.root / "affine" / "1" / "model.onnx").write_bytes(b"junk")
    until(lambda: index(client)["affine", "1"][1] != "")
    state, reason = index(client)["affine", "1"]
    assert state == "READY"
    assert "onnxruntime cannot load it" in reason
    assert ask(client) == (1, "1")


def test_poll_reads_a_config_that_changes_and_keeps_the_models_if_it_breaks(served, repository):
    client = served("--model-control-mode", "poll", "--repository-poll-secs", "0.05")
    repository.config("affine", "max_batch_size: 3")
    until(lambda: client.get_model_config("affine").config.max_batch_size == 3)
    repository.config("affine", "max_batch_size: many")
    until(lambda: "config.pbtxt is not valid" in index(client)["affine", "1"][1])
    assert ask(client) == (1, "1")
    repository.config("affine", "max_batch_size: 4")
    until(lambda: client.get_model_config("affine").config.max_batch_size == 4)
    assert index(client)["affine", "1"] == ("READY", "")


def test_poll_may_begin_with_nothing(repository, onnx_models, start_server):
    server = start_server(repository.root, "--model-control-mode", "poll", "--repository-poll-secs", "0.05")
    with triton.InferenceServerClient(server.address) as client:
        assert client.is_server_ready()
        repository.onnx("affine", onnx_models.affine(1))
        until(lambda: index(client) == {("affine", "1"): ("READY", "")})
