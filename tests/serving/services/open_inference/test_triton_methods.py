"""The rest of Triton's service: tritonclient, unmodified, against a running server."""

import asyncio
import json
import queue
import urllib.request
import uuid

import grpc
import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.grpc import aio as triton_aio
from tritonclient.utils import InferenceServerException, shared_memory

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

LABELS = """
max_batch_size: 8
output [{ name: "y" data_type: TYPE_FP32 dims: [3] label_filename: "labels.txt" }]
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory, onnx_models, module_server):
    """A server that allows shared memory and administration."""
    root = tmp_path_factory.mktemp("models")
    for name, content in (
        ("simple", onnx_models.add_sub()),
        ("affine", onnx_models.affine()),
        ("plain", onnx_models.affine()),
        ("ranked", onnx_models.affine()),
        ("lookup", onnx_models.lookup()),
    ):
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
    (root / "affine" / "config.pbtxt").write_text(LABELS)
    (root / "affine" / "labels.txt").write_text("cat\ndog\n")
    (root / "ranked" / "config.pbtxt").write_text(
        "dynamic_batching { priority_levels: 2 default_priority_level: 2 max_queue_delay_microseconds: 20000 "
        "default_queue_policy { allow_timeout_override: true } }"
    )
    administered = ("--model-control-mode", "explicit", "--load-model", "*")
    return module_server(root, "--allow-shared-memory", *administered)


@pytest.fixture
def client(serving):
    with triton.InferenceServerClient(serving.address) as made:
        yield made


def tensor(name, array, datatype="FP32"):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def row(*values):
    return np.array([values], np.float32)


# Configuration and statistics.


def test_a_config_tells_what_was_stated_and_what_was_derived(client):
    stated = client.get_model_config("affine").config
    assert stated.name == "affine"
    assert stated.platform == "onnxruntime_onnx"
    assert stated.max_batch_size == 8
    assert [(each.name, list(each.dims)) for each in stated.input] == [("x", [3])]
    assert stated.output[0].label_filename == "labels.txt"
    derived = client.get_model_config("simple", as_json=True)["config"]
    assert "max_batch_size" not in derived
    assert derived["input"][0] == {"name": "INPUT0", "data_type": "TYPE_INT32", "dims": ["1", "16"]}
    assert derived["version_policy"] == {"latest": {"num_versions": 1}}
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.get_model_config("none")


def test_statistics_count_requests_rows_runs_and_failures(client):
    before = client.get_inference_statistics("lookup").model_stats[0]
    for _ in range(3):
        client.infer("lookup", [tensor("ids", np.array([1, 2], np.int64), "INT64")])
    with pytest.raises(InferenceServerException):
        client.infer("lookup", [tensor("ids", np.array([99], np.int64), "INT64")])
    after = client.get_inference_statistics("lookup", "1").model_stats[0]
    assert (after.name, after.version) == ("lookup", "1")
    assert after.inference_count - before.inference_count == 6
    assert after.execution_count - before.execution_count == 4
    stats = after.inference_stats
    assert stats.success.count - before.inference_stats.success.count == 3
    assert stats.fail.count - before.inference_stats.fail.count == 1
    assert stats.success.ns > stats.compute_infer.ns > 0
    assert stats.compute_input.ns > 0
    assert stats.queue.count == stats.compute_infer.count == stats.success.count
    batches = {each.batch_size: each.compute_infer.count for each in after.batch_stats}
    assert batches[2] >= 3
    assert after.last_inference > 1.6e12
    assert {each.name for each in client.get_inference_statistics().model_stats} >= {"simple", "affine"}
    with pytest.raises(InferenceServerException, match="NOT_FOUND"):
        client.get_inference_statistics("none")


# Streams.


def streamed(address, requests):
    answers = queue.Queue()
    with triton.InferenceServerClient(address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for model, inputs, options in requests:
            client.async_stream_infer(model, inputs, **options)
        got = [answers.get(timeout=PATIENCE) for _ in requests]
        client.stop_stream()
    return got


def test_a_stream_answers_in_order_and_an_error_does_not_end_it(serving):
    requests = []
    for at in range(60):
        values = row(at, at, at) if at % 7 else row(at, at)
        requests.append(("affine", [tensor("x", values)], {"request_id": str(at)}))
    for at, (result, error) in enumerate(streamed(serving.address, requests)):
        if at % 7:
            assert error is None
            assert result.get_response().id == str(at)
            assert result.as_numpy("y")[0, 0] == 2 * at + 1
        else:
            assert "input 'x' has shape [-1,3]" in str(error)


def test_a_stream_tells_which_answer_is_the_last(serving):
    inputs = [tensor("x", row(1, 2, 3))]
    ((result, error),) = streamed(
        serving.address, [("affine", inputs, {"enable_empty_final_response": True})]
    )
    assert error is None
    assert result.get_response().parameters["triton_final_response"].bool_param is True


def test_an_answer_with_an_error_carries_the_id_of_its_request(serving):
    request = pb.ModelInferRequest(model_name="none", id="lost")
    with grpc.insecure_channel(serving.address) as channel:
        (answer,) = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([request]), timeout=PATIENCE)
    assert "no model 'none'" in answer.error_message
    assert answer.infer_response.id == "lost"


def test_a_stream_message_that_is_no_protobuf_ends_it_with_a_reason(serving):
    with grpc.insecure_channel(serving.address) as channel:
        call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        with pytest.raises(grpc.RpcError) as error:
            list(call(iter([b"\xff\xff"]), timeout=PATIENCE))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_asynchronous_client_infers_streams_and_manages(serving):
    async def use():
        async with triton_aio.InferenceServerClient(serving.address) as client:
            assert await client.is_server_ready()
            results = await asyncio.gather(
                *(client.infer("affine", [tensor("x", row(at, 0, 0))]) for at in range(20))
            )
            assert [result.as_numpy("y")[0, 0] for result in results] == [2 * at + 1 for at in range(20)]

            async def requests():
                for at in range(10):
                    yield {"model_name": "affine", "inputs": [tensor("x", row(at, 0, 0))]}

            streamed_values = []
            async for result, error in client.stream_infer(requests()):
                assert error is None
                streamed_values.append(result.as_numpy("y")[0, 0])
            assert streamed_values == [2 * at + 1 for at in range(10)]
            assert (await client.get_model_config("affine")).config.max_batch_size == 8
            assert (await client.get_inference_statistics("affine")).model_stats[0].inference_count >= 30
            assert (await client.get_model_repository_index()).models
            assert (await client.get_log_settings()).settings["log_warning"].bool_param

    asyncio.run(use())


# Shared memory.


@pytest.fixture
def region():
    """Make regions of shared memory; they go with the test."""
    made = []

    def make(byte_size):
        key = f"/plainserve_{uuid.uuid4().hex}"
        made.append(shared_memory.create_shared_memory_region(key[1:], key, byte_size))
        return made[-1], key

    yield make
    for each in made:
        shared_memory.destroy_shared_memory_region(each)


def test_inputs_and_outputs_may_lie_in_shared_memory(client, region):
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    a, b = np.arange(16, dtype=np.int32).reshape(1, 16), np.full((1, 16), 5, np.int32)
    size = a.nbytes
    (given, given_key), (taken, taken_key) = region(2 * size), region(2 * size)
    shared_memory.set_shared_memory_region(given, [a, b])
    client.register_system_shared_memory("given", given_key, 2 * size)
    client.register_system_shared_memory("taken", taken_key, 2 * size)
    status = client.get_system_shared_memory_status()
    assert status.regions["given"].key == given_key
    assert status.regions["taken"].byte_size == 2 * size
    inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    outputs = [triton.InferRequestedOutput(name) for name in ("OUTPUT0", "OUTPUT1")]
    for at in range(2):
        inputs[at].set_shared_memory("given", size, at * size)
        outputs[at].set_shared_memory("taken", size, at * size)
    result = client.infer("simple", inputs, outputs=outputs)
    for at, expected in enumerate((a + b, a - b)):
        assert list(result.get_output(f"OUTPUT{at}").shape) == [1, 16]
        got = shared_memory.get_contents_as_numpy(taken, np.int32, [1, 16], at * size)
        np.testing.assert_array_equal(got, expected)
    # Half in shared memory, half sent: what is sent keeps its place.
    sent = tensor("INPUT1", b, "INT32")
    mixed = client.infer(
        "simple", [inputs[0], sent], outputs=[outputs[0], triton.InferRequestedOutput("OUTPUT1")]
    )
    np.testing.assert_array_equal(mixed.as_numpy("OUTPUT1"), a - b)
    client.unregister_system_shared_memory("given")
    assert set(client.get_system_shared_memory_status().regions) == {"taken"}
    with pytest.raises(InferenceServerException, match=r"NOT_FOUND.*no shared memory region 'given'"):
        client.infer("simple", inputs)
    client.unregister_system_shared_memory()
    assert not client.get_system_shared_memory_status().regions


def test_tensors_out_of_their_region_are_refused(client, region):
    _, key = region(64)
    client.register_system_shared_memory("small", key, 64)
    inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for each in inputs:
        each.set_shared_memory("small", 64, 4)
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*not within the region 'small'"):
        client.infer("simple", inputs)
    for each in inputs:
        each.set_shared_memory("small", 60)
    with pytest.raises(InferenceServerException, match="takes 64 bytes; got 60"):
        client.infer("simple", inputs)
    with pytest.raises(InferenceServerException, match="registered already"):
        client.register_system_shared_memory("small", key, 64)
    client.unregister_system_shared_memory("small")


@pytest.mark.parametrize("key", ["/../etc/passwd", "/etc/passwd", "..", "/", "", "/none_of_that_name"])
def test_a_key_never_leaves_shared_memory(client, key):
    with pytest.raises(InferenceServerException, match="INVALID_ARGUMENT"):
        client.register_system_shared_memory("evil", key, 16)


def test_shared_memory_is_off_unless_it_is_allowed(full_server):
    with triton.InferenceServerClient(full_server.address) as client:
        for call in (
            client.get_system_shared_memory_status,
            client.unregister_system_shared_memory,
            lambda: client.register_system_shared_memory("r", "/r", 1),
        ):
            with pytest.raises(InferenceServerException, match=r"PERMISSION_DENIED.*--allow-shared-memory"):
                call()


def test_memory_of_a_gpu_is_unimplemented_with_the_reason(client):
    for call in (
        client.get_cuda_shared_memory_status,
        lambda: client.register_cuda_shared_memory("r", b"aGFuZGxl", 0, 1),
        lambda: client.unregister_cuda_shared_memory("r"),
    ):
        with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*on the CPU"):
            call()


# Settings.


def test_log_settings_can_be_read_and_changed(client):
    assert client.get_log_settings(as_json=True)["settings"]["log_info"] == {"bool_param": False}
    changed = client.update_log_settings({"log_info": True}).settings
    assert changed["log_info"].bool_param
    assert changed["log_verbose_level"].uint32_param == 0
    assert (
        client.update_log_settings({"log_verbose_level": 1}).settings["log_verbose_level"].uint32_param == 1
    )
    client.update_log_settings({"log_verbose_level": 0, "log_info": False})
    assert not client.get_log_settings().settings["log_info"].bool_param
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*decided when the server starts"):
        client.update_log_settings({"log_file": "log.txt"})
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*no log setting 'log_all'"):
        client.update_log_settings({"log_all": True})


def test_log_settings_can_only_be_read_where_administration_is_off(full_server):
    with triton.InferenceServerClient(full_server.address) as client:
        for settings in ({"log_info": True}, {"log_verbose_level": 0}, {"log_all": True}):
            with pytest.raises(
                InferenceServerException, match=r"PERMISSION_DENIED.*--model-control-mode explicit"
            ):
                client.update_log_settings(settings)
        assert client.get_log_settings().settings["log_warning"].bool_param


def test_nothing_is_traced_and_asking_for_it_says_so(client):
    assert list(client.get_trace_settings().settings["trace_level"].value) == ["OFF"]
    assert list(client.update_trace_settings(settings={"trace_level": ["OFF"]}).settings["trace_level"].value)
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*writes no traces"):
        client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]})


# What requests may carry.


def test_classification_gives_values_places_and_labels(client):
    outputs = [triton.InferRequestedOutput("y", class_count=2)]
    inputs = [tensor("x", np.array([[1, 3, 2], [0.5, 0, 0]], np.float32))]
    labelled = client.infer("affine", inputs, outputs=outputs).as_numpy("y")
    assert labelled.tolist() == [[b"7.000000:1:dog", b"5.000000:2"], [b"2.000000:0:cat", b"1.000000:1:dog"]]
    plain = client.infer("plain", inputs, outputs=outputs).as_numpy("y")
    assert plain.tolist()[0] == [b"7.000000:1", b"5.000000:2"]


def test_priorities_and_timeouts_are_understood_or_refused(client):
    inputs = [tensor("x", row(1, 1, 1))]
    assert client.infer("ranked", inputs, priority=1, timeout=5_000_000).as_numpy("y")[0, 0] == 3
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*priorities from 1 to 2; got 9"):
        client.infer("ranked", inputs, priority=9)
    with pytest.raises(
        InferenceServerException, match=r"DEADLINE_EXCEEDED.*longer than the 1000 microseconds"
    ):
        client.infer("ranked", inputs, timeout=1000)
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*takes no sequence_id"):
        client.infer("plain", inputs, sequence_id=5, sequence_start=True)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("priority", pb.InferParameter(string_param="high"), "'priority' must be a whole number"),
        ("timeout", pb.InferParameter(int64_param=-1), "'timeout' must be a whole number"),
    ],
)
def test_a_parameter_without_sense_is_the_clients_fault(serving, name, value, error):
    request = pb.ModelInferRequest(model_name="plain", raw_input_contents=[bytes(12)])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    request.parameters[name].CopyFrom(value)
    with (
        grpc.insecure_channel(serving.address) as channel,
        pytest.raises(grpc.RpcError, match=error),
    ):
        GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)


# Observability.


def test_metrics_tell_what_statistics_tell(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine())
    repository.config("affine", "dynamic_batching { }")
    server = start_server(
        repository.root, "--metrics-port", "0", "--log-level", "info", "--log-format", "json"
    )
    entry = json.loads(server.process.stderr.readline())
    url = entry["event"].removeprefix("metrics at ")
    with triton.InferenceServerClient(server.address) as client:
        for _ in range(3):
            client.infer("affine", [tensor("x", np.ones((2, 3), np.float32))], request_id="seven")
        with pytest.raises(InferenceServerException):
            client.infer("affine", [tensor("x", row(1, 2))])
        success = client.get_inference_statistics("affine").model_stats[0].inference_stats.success
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:  # noqa: S310  our own server
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if line[0] != "#")
    of = '{model="affine",version="1"}'
    assert lines[f"nv_inference_request_success{of}"] == "3"
    assert lines[f"nv_inference_count{of}"] == "6"
    assert lines[f"nv_inference_exec_count{of}"] == "3"
    assert lines[f"nv_inference_request_duration_us{of}"] == str(success.ns // 1000)
    assert lines[f"nv_inference_pending_request_count{of}"] == "0"
    assert lines['nv_inference_request_failure{model="affine",version="1",reason="OTHER"}'] == "1"
    method = 'grpc_service="inference.GRPCInferenceService",grpc_method="ModelInfer"'
    assert lines[f'grpc_server_handled_total{{{method},grpc_code="OK"}}'] == "3"
    assert lines[f'grpc_server_handled_total{{{method},grpc_code="INVALID_ARGUMENT"}}'] == "1"
    assert lines[f"grpc_server_started_total{{{method}}}"] == "4"
    server.terminate()
    _, _, err = server.wait()
    entries = [json.loads(line) for line in err.splitlines()]
    requests = [each for each in entries if each["event"] == "request"]
    assert [each["code"] for each in requests] == ["OK"] * 3 + ["INVALID_ARGUMENT"]
    assert requests[0] | {"time": 0, "queue_us": 0, "infer_us": 0, "total_us": 0} == {
        "time": 0,
        "level": "INFO",
        "logger": "serving.requests",
        "event": "request",
        "request_id": "seven",
        "model": "affine",
        "version": "1",
        "code": "OK",
        "queue_us": 0,
        "infer_us": 0,
        "total_us": 0,
    }
    assert "has shape" in requests[3]["message"]
