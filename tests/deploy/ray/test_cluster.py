"""Clients that know nothing of Ray call a Ray cluster of two nodes, and one of them is killed."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from queue import Queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from patience import PATIENCE, until
from plainserve_ray.proxy import FULL, LOST
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

pytestmark = [pytest.mark.slow, pytest.mark.alone]

INPUT, OUTPUT = "input_layer", "dense_1"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CALLERS = 8
HELD = 12
"""So many requests that, as Ray spreads them at random, hardly ever a replica of three has none."""


def triton_input(array):
    made = triton.InferInput(INPUT, list(array.shape), "FP32")
    made.set_data_from_numpy(array)
    return [made]


def raw_request(model, array):
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name=INPUT, datatype="FP32", shape=array.shape)
    return service_pb2.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[array.tobytes()]
    ).SerializeToString()


def assert_golden(answer, golden, rows=slice(None)):
    expected = golden[f"output:{OUTPUT}"][rows]
    np.testing.assert_allclose(answer, expected, atol=float(golden["atol"]), rtol=float(golden["rtol"]))


@pytest.fixture
def client(cluster):
    with triton.InferenceServerClient(f"127.0.0.1:{cluster.port}") as made:
        yield made


@pytest.fixture
def channel(cluster):
    with grpc.insecure_channel(f"127.0.0.1:{cluster.port}") as made:
        yield made


@pytest.fixture
def infer(channel):
    """Send a request's bytes; gives the code, the text and the trailers."""
    call = channel.unary_unary(INFER)

    def send(data, timeout=PATIENCE):
        try:
            _, done = call.with_call(data, timeout=timeout)
        except grpc.RpcError as error:
            done = error
        return done.code(), done.details(), dict(done.trailing_metadata())

    return send


@pytest.mark.parametrize("model", ["mnist_pss_onnx", "mnist_pss_tflite"])
@pytest.mark.parametrize("node", ["head", "worker"])
def test_tritonclient_gets_the_golden_answers_from_the_proxy_of_each_node(cluster, golden, model, node):
    port = cluster.port if node == "head" else cluster.worker_port
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(model)
        answer = client.infer(model, triton_input(golden[model][f"input:{INPUT}"]))
    assert_golden(answer.as_numpy(OUTPUT), golden[model])


def test_metadata_names_the_model_and_only_what_the_cluster_does(client):
    metadata = client.get_model_metadata("mnist_pss_onnx")
    assert [list(each.shape) for each in (*metadata.inputs, *metadata.outputs)] == [[-1, 784], [-1, 10]]
    server = client.get_server_metadata()
    assert server.name == "plainserve"
    assert "statistics" not in server.extensions
    assert client.get_model_config("slow").config.max_batch_size == 64
    assert {each.state for each in client.get_model_repository_index().models} == {"READY"}


def test_a_stream_answers_in_order_and_an_error_is_one_of_its_answers(client, golden):
    image, answers = golden["mnist_pss_onnx"][f"input:{INPUT}"][:1], Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for at in range(5):
        client.async_stream_infer("mnist_pss_onnx", triton_input(image), request_id=str(at))
    client.async_stream_infer("absent", triton_input(image))
    for at in range(5):
        result, error = answers.get(timeout=PATIENCE)
        assert error is None
        assert result.get_response().id == str(at)
        assert_golden(result.as_numpy(OUTPUT), golden["mnist_pss_onnx"], slice(1))
    assert "there is no model 'absent'" in str(answers.get(timeout=PATIENCE)[1])
    client.stop_stream()


def test_a_message_in_a_stream_that_is_none_ends_it_with_its_status(channel):
    call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([b"\xff\xff"]), timeout=PATIENCE))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid protobuf message" in caught.value.details()


def test_tensorflow_servings_predict_gives_the_golden_answer(channel, golden):
    recorded = golden["mnist_pss_onnx"]
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "mnist_pss_onnx"
    tensor, image = request.inputs[INPUT], recorded[f"input:{INPUT}"]
    tensor.dtype, tensor.tensor_content = 1, image.tobytes()
    for size in image.shape:
        tensor.tensor_shape.dim.add(size=size)
    output = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=PATIENCE)
    shape = [each.size for each in output.outputs[OUTPUT].tensor_shape.dim]
    answer = np.array(output.outputs[OUTPUT].float_val, np.float32).reshape(shape)
    assert_golden(answer, recorded)


def test_health_and_reflection_answer(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "slow", "inference.GRPCInferenceService"):
        assert health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE).status == 1
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="absent"), timeout=PATIENCE)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "inference.GRPCInferenceService" in database.get_services()
    assert database.FindFileContainingSymbol("inference.ModelInferRequest").package == "inference"


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "not a valid protobuf message"),
        (raw_request("absent", np.zeros((1, 784), np.float32)), grpc.StatusCode.NOT_FOUND, "'absent'"),
        (raw_request("slow", np.zeros((1, 3), np.float32)), grpc.StatusCode.INVALID_ARGUMENT, "got [1,3]"),
    ],
)
def test_errors_keep_their_code_and_text(infer, data, code, text):
    found = infer(data)
    assert found[0] is code
    assert text in found[1]
    assert "Traceback" not in found[1]


def test_what_concerns_one_server_is_refused_with_the_reason(client):
    for call in (client.get_inference_statistics, lambda: client.load_model("slow")):
        with pytest.raises(InferenceServerException, match="there are many replicas") as caught:
            call()
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_a_deadline_ends_a_request_that_still_waits_and_frees_its_place(infer):
    """The queue of ``narrow`` has one place in each replica, which a request holds for 2 s."""
    request = raw_request("narrow", np.zeros((1, 784), np.float32))
    with ThreadPoolExecutor(12) as pool:
        found = Counter(code for code, _, _ in pool.map(lambda _: infer(request, timeout=0.5), range(12)))
    assert grpc.StatusCode.DEADLINE_EXCEEDED in found
    # A refusal that a slow machine does not bring in time is one more of those; the next test waits for it.
    assert found.keys() <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    until(lambda: infer(request)[0] is grpc.StatusCode.OK)


def test_too_many_requests_are_refused_with_a_hint_when_to_return(infer):
    image = np.zeros((1, 784), np.float32)
    models = ["narrow"] * 6 + ["slow"] * 64
    with ThreadPoolExecutor(len(models)) as pool:
        found = list(pool.map(lambda model: infer(raw_request(model, image)), models))
    narrow = Counter(code for code, _, _ in found[:6])
    assert narrow.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    slow = Counter(code for code, _, _ in found[6:])
    assert slow.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    refused = [each for each in found if each[0] is grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert all(int(trailers["grpc-retry-pushback-ms"]) > 0 for _, _, trailers in refused)
    texts = {text for _, text, _ in refused}
    assert FULL in texts
    assert any("'narrow'" in text for text in texts)


class Load:
    """Callers that ask one by one and keep what each answer was and when."""

    def __init__(self, address, recorded):
        self._address, self._recorded = address, recorded
        self._stop = threading.Event()
        self.answers = []
        self._callers = [threading.Thread(target=self._call, args=(at,)) for at in range(CALLERS)]

    def __enter__(self):
        for each in self._callers:
            each.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for each in self._callers:
            each.join()

    def _call(self, caller):
        row = caller % len(self._recorded[f"input:{INPUT}"])
        inputs = triton_input(self._recorded[f"input:{INPUT}"][row : row + 1])
        with triton.InferenceServerClient(self._address) as client:
            while not self._stop.is_set():
                self.answers.append((self._one(client, inputs, slice(row, row + 1)), time.monotonic()))

    def _one(self, client, inputs, rows):
        try:
            answer = client.infer("mnist_pss_onnx", inputs, client_timeout=PATIENCE).as_numpy(OUTPUT)
        except InferenceServerException as error:
            return f"{error.status()}: {error.message()}"
        try:
            assert_golden(answer, self._recorded, rows)
        except AssertionError:
            return "wrong"
        return "golden"


def golden_only(load):
    """How many answers there were, all of which were right."""
    assert {outcome for outcome, _ in load.answers} == {"golden"}
    return len(load.answers)


def test_a_deployment_of_a_change_loses_no_request(cluster, config, infer, golden):
    before = {*cluster.replicas("head"), *cluster.replicas("worker")}
    image = golden["mnist_pss_onnx"][f"input:{INPUT}"][:1]
    config["applications"][0]["args"]["repository_poll_secs"] = 60
    with (
        Load(f"127.0.0.1:{cluster.port}", golden["mnist_pss_onnx"]) as load,
        ThreadPoolExecutor(4) as pool,
    ):
        waiting = [pool.submit(infer, raw_request("slow", image)) for _ in range(4)]
        time.sleep(0.5)
        cluster.deploy(config)
        until(lambda: not before & {*cluster.replicas("head"), *cluster.replicas("worker")})
        assert {each.result()[0] for each in waiting} == {grpc.StatusCode.OK}
    assert golden_only(load) > CALLERS


def test_a_node_is_killed_under_load_and_its_replicas_return(cluster, running, infer, golden, capsys):
    image = golden["mnist_pss_onnx"][f"input:{INPUT}"][:1]
    with (
        Load(f"127.0.0.1:{cluster.port}", golden["mnist_pss_onnx"]) as load,
        ThreadPoolExecutor(HELD) as pool,
    ):
        # One more than at the start: the load has added it.
        until(lambda: running() == 3 and cluster.replicas("worker"))
        lost_replicas = len(cluster.replicas("worker"))
        waiting = [pool.submit(infer, raw_request("slowest", image)) for _ in range(HELD)]
        time.sleep(5)  # of the 30 s for which the model holds them
        killed = time.monotonic()
        cluster.kill_node("worker")
        until(lambda: running() == 3 and len(cluster.replicas("head")) == 3)
        returned = time.monotonic()
        time.sleep(1)
        caught = Counter(each.result()[:2] for each in waiting)

    outcomes = Counter(outcome for outcome, _ in load.answers)
    # Those that the lost node had begun are told so; the others are answered.
    assert caught.keys() == {(grpc.StatusCode.OK, ""), (grpc.StatusCode.UNAVAILABLE, LOST)}
    assert outcomes.keys() <= {"golden", f"StatusCode.UNAVAILABLE: {LOST}"}
    times = sorted(when for outcome, when in load.answers if outcome == "golden")
    gap = max(later - earlier for earlier, later in pairwise(times))
    assert sum(when > killed for when in times) > CALLERS
    assert any(killed < when < returned for when in times), "those that were left answered meanwhile"
    with capsys.disabled():
        print(  # noqa: T201  the figures are what it is for
            f"\nRay: a node killed with {lost_replicas} of 3 replicas: of {len(load.answers)} requests "
            f"{outcomes['golden']} golden, the others UNAVAILABLE; longest wait for an answer {gap:.2f} s; "
            f"3 replicas again after {returned - killed:.1f} s"
        )
