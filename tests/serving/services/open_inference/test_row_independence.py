"""Whatever strangers ask at the same moment, an answer is the answer alone."""

import asyncio
import hashlib
import json

import grpc
import numpy as np
import pytest
from coupled_models import dynamically_quantised, mean_over_batch, row_wise
from patience import PATIENCE
from tritonclient import grpc as triton

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.repository.loading.golden_request import ATOL, RTOL

WIDTH = 128
SCALES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1e2, 1e3, 1e4)
"""One client each."""

ROWS = 5
"""Different rows of a client, which it asks in turn."""

REQUESTS = 1250
"""Of a client, to all models together."""


@pytest.fixture(scope="module")
def server(tmp_path_factory, module_server):
    """A model that is joined by proof, one as its owner wrote, and two whose rows depend on each other."""
    root = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(0)
    deep = row_wise(random, WIDTH, 8)
    models = {
        "proved": deep,
        "stated": deep,
        "quantised": dynamically_quantised(random, WIDTH),
        "less_mean": mean_over_batch(random, WIDTH),
    }
    for name, model in models.items():
        version = root / name / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").write_bytes(model)
    entry = {"sha256": hashlib.sha256(deep).hexdigest(), "rows_independent": True}
    manifest = json.dumps({"schema": 1, "artefacts": {"model.onnx": entry}})
    for name in ("proved", "less_mean"):  # of the second it is of another file
        (root / name / "1" / "manifest.json").write_text(manifest)
    (root / "stated" / "config.pbtxt").write_text(
        "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 2000 }"
    )
    return module_server(root)


def request(model, row):
    made = pb.ModelInferRequest(model_name=model, raw_input_contents=[row.tobytes()])
    made.inputs.add(name="x", datatype="FP32", shape=[1, row.size])
    return made.SerializeToString()


async def answered(channel, message):
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    answer = pb.ModelInferResponse.FromString(await call(message, timeout=PATIENCE))
    return np.frombuffer(answer.raw_output_contents[0], np.float32)


def within(answer, alone):
    """Whether an answer is the answer alone, as a golden request is held to its answer."""
    return bool((np.abs(answer - alone) <= np.maximum(ATOL, RTOL * np.abs(alone))).all())


async def ask_all(address):
    """Every answer that differs from the answer alone, by model, and how many were asked."""
    random = np.random.default_rng(1)
    models = ("proved", "stated", "quantised", "less_mean")
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in SCALES]
    messages = [
        [
            request(model, (random.standard_normal(WIDTH) * scale).astype(np.float32))
            for _ in range(ROWS)
            for model in models
        ]
        for scale in SCALES
    ]
    alone = [
        [await answered(channel, message) for message in own]
        for channel, own in zip(channels, messages, strict=True)
    ]
    wrong = dict.fromkeys(models, 0)
    asked = 0

    async def client(at):
        nonlocal asked
        for turn in range(REQUESTS):
            which = turn % len(messages[at])
            answer = await answered(channels[at], messages[at][which])
            asked += 1
            wrong[models[which % len(models)]] += not within(answer, alone[at][which])

    await asyncio.gather(*map(client, range(len(SCALES))))
    await asyncio.gather(*(channel.close() for channel in channels))
    return wrong, asked


@pytest.mark.slow
def test_10000_requests_of_8_clients_of_different_scales_are_answered_as_alone(server):
    wrong, asked = asyncio.run(ask_all(server.address))
    assert asked == 10_000
    assert set(wrong.values()) == {0}, wrong
    runs = {}
    with triton.InferenceServerClient(server.address) as client:
        for model in wrong:
            found = client.get_inference_statistics(model).model_stats[0]
            runs[model] = found.inference_count / found.execution_count
            sizes = [each.batch_size for each in found.batch_stats]
            config = client.get_model_config(model).config
            if model in ("quantised", "less_mean"):
                assert (sizes, config.HasField("dynamic_batching")) == ([1], False)
    assert runs["stated"] > 1, "its requests wait for each other, so nothing was joined at all"


def test_a_config_that_comes_with_a_load_is_the_owners_word_too(repository, start_server):
    repository.onnx("less_mean", mean_over_batch(np.random.default_rng(0), 3))
    options = ("--model-control-mode", "explicit", "--load-model", "*")
    server = start_server(repository.root, *options)

    def index():
        (found,) = client.get_model_repository_index().models
        return found.state, found.reason

    with triton.InferenceServerClient(server.address) as client:
        assert index() == ("READY", "")
        assert not client.get_model_config("less_mean").config.HasField("dynamic_batching")
        client.load_model("less_mean", config='{"dynamic_batching": {}}')
        state, reason = index()
        assert state == "READY"
        assert "dynamic_batching, but a trial found" in reason
        assert client.get_model_config("less_mean").config.HasField("dynamic_batching")
        client.load_model("less_mean")
        assert index() == ("READY", "")
    server.terminate()
    _, _, err = server.wait()
    assert err.count("a trial found") == 1


def test_a_model_without_a_ground_runs_each_request_alone_even_when_many_wait(repository, start_server):
    repository.onnx("plain", row_wise(np.random.default_rng(0), 512, 12))
    server = start_server(repository.root, "--log-level", "info")
    x = np.ones((3, 512), np.float32)
    with grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        asked = pb.ModelInferRequest(model_name="plain", raw_input_contents=[x.tobytes()])
        asked.inputs.add(name="x", datatype="FP32", shape=x.shape)
        under_way = [stub.ModelInfer.future(asked, timeout=PATIENCE) for _ in range(40)]
        first, *others = [each.result().raw_output_contents[0] for each in under_way]
        assert set(others) == {first}
        found = stub.ModelStatistics(pb.ModelStatisticsRequest(name="plain")).model_stats[0]
    assert (found.inference_count, found.execution_count) == (120, 40)
    assert [each.batch_size for each in found.batch_stats] == [3]
    server.terminate()
    _, _, err = server.wait()
    assert err.count("write 'dynamic_batching { }' in its config.pbtxt") == 1
