"""grpc.health.v1 as grpcio-health-checking's own client asks for it."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE

SERVING, NOT_SERVING, UNKNOWN = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
)
SERVICES = [
    "inference.GRPCInferenceService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
]


@pytest.fixture
def stub(full_server):
    with grpc.insecure_channel(full_server.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", NOT_SERVING),
        *((name, NOT_SERVING) for name in SERVICES),
        ("grpc.health.v1.Health", SERVING),  # the process answers
        ("affine", SERVING),
        ("bad", NOT_SERVING),
    ],
)
def test_one_bad_model_makes_the_server_and_its_services_not_serve_and_no_other_model(stub, name, status):
    assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE).status == status


@pytest.mark.parametrize(("name", "status"), [("affine", SERVING), ("bad", NOT_SERVING), ("none", UNKNOWN)])
def test_a_watcher_hears_at_once_how_it_stands(stub, name, status):
    call = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
    assert next(call).status == status
    call.cancel()


def test_a_name_that_nobody_has_is_not_found(stub):
    with pytest.raises(grpc.RpcError, match="no service or model 'none'") as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="none"), timeout=PATIENCE)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_channel_that_watches_health_itself_finds_the_server_serving(repository, onnx_models, start_server):
    """gRPC's own health checking on the client's side, as load balancers use it."""
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root)
    config = '{"healthCheckConfig": {"serviceName": "tensorflow.serving.PredictionService"}, '
    config += '"loadBalancingConfig": [{"round_robin": {}}]}'
    with grpc.insecure_channel(server.address, [("grpc.service_config", config)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=PATIENCE)
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    assert answer.status == SERVING
