"""What is in the folder is what is told, on the wire and in the log."""

import os

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE
from tritonclient import grpc as triton

from protos import tensorflow_serving_pb2 as pb
from protos.tensorflow_serving_pb2_grpc import ModelServiceStub

STEERING = "odd\x1b[2J\nERROR: stolen"
SHOWN = "odd\\x1b[2J\\nERROR: stolen"


MODES = {
    "none": (),
    "poll": ("--model-control-mode", "poll", "--repository-poll-secs", "1"),
    "explicit": ("--model-control-mode", "explicit", "--load-model", "*"),
}


@pytest.fixture(params=MODES)
def server(request, repository, onnx_models, start_server):
    """A server for a good model and some folders that cannot answer."""
    repository.onnx("good", onnx_models.affine())
    (repository.root / "flat").mkdir()
    (repository.root / "flat" / "model.onnx").write_bytes(onnx_models.affine())
    repository.onnx(STEERING, b"junk")
    repository.onnx("piped", onnx_models.affine())
    os.mkfifo(repository.root / "piped" / "1" / os.fsdecode(b"\x1b\xff"))
    (repository.root / "lost+found").mkdir()
    return start_server(repository.root, *MODES[request.param])


def test_each_protocol_tells_of_a_folder_without_a_version(server):
    with triton.InferenceServerClient(server.address) as client:
        index = {(each.name, each.version): each for each in client.get_model_repository_index().models}
        assert set(index) == {("good", "1"), ("flat", ""), (SHOWN, "1"), ("piped", "1")}
        assert index["flat", ""].state == "UNAVAILABLE"
        assert index["flat", ""].reason.startswith("it holds model.onnx itself and no version; move")
        assert index["piped", "1"].reason == "\\x1b\\udcff is neither a file nor a folder"
        assert not client.is_model_ready("flat")
        assert client.is_model_ready("good")
        assert not client.is_server_ready()
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(service="flat"), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as error:
            ModelServiceStub(channel).GetModelStatus(
                pb.GetModelStatusRequest(model_spec=pb.ModelSpec(name="flat")), timeout=PATIENCE
            )
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "it holds model.onnx itself and no version" in error.value.details()
    server.terminate()
    code, _, log = server.wait()
    assert code == 0
    assert log.count("model 'flat' is not ready") == 1
    assert f"ERROR: model '{SHOWN}' version 1 is not ready: " in log
    assert log.replace("\n", "").isprintable()
    assert not any(line.startswith("ERROR: stolen") for line in log.splitlines())
