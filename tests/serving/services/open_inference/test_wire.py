"""What clients see: tritonclient as it is, and plain gRPC where a client would not misbehave so."""

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from patience import PATIENCE
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def client(full_server):
    with triton.InferenceServerClient(full_server.address) as made:
        yield made


@pytest.fixture
def channel(full_server):
    with grpc.insecure_channel(full_server.address) as made:
        yield made


def tensor(name, array, datatype="FP32"):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def test_the_server_is_live_and_says_what_it_is(client):
    assert client.is_server_live()
    metadata = client.get_server_metadata()
    assert metadata.name == "plainserve"
    assert metadata.version


def test_a_server_with_a_model_that_cannot_answer_is_not_ready(client):
    assert not client.is_server_ready()


def test_models_are_ready_or_not(client):
    assert client.is_model_ready("affine")
    assert client.is_model_ready("affine", "1")
    assert not client.is_model_ready("bad")
    assert not client.is_model_ready("none")
    assert not client.is_model_ready("affine", "9")


@pytest.mark.parametrize("name", ["affine", "none"])
@pytest.mark.parametrize("version", ["latest", "-1"])
def test_a_version_that_is_no_number_is_an_error_and_not_unready(client, name, version):
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT.*must be a number"):
        client.is_model_ready(name, version)


@pytest.mark.parametrize(
    ("name", "platform"), [("affine", "onnxruntime_onnx"), ("affine_lite", "tensorflowlite")]
)
def test_metadata_describes_a_model(client, name, platform):
    metadata = client.get_model_metadata(name)
    assert metadata.platform == platform
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs] == [
        ("x", "FP32", [-1, 3])
    ]
    assert [(each.name, each.datatype, list(each.shape)) for each in metadata.outputs] == [
        ("y", "FP32", [-1, 3])
    ]


@pytest.mark.parametrize("name", ["affine", "affine_lite"])
@pytest.mark.parametrize("rows", [1, 7, 32])
def test_each_runtime_answers_any_batch(client, name, rows):
    x = np.random.default_rng(rows).standard_normal((rows, 3), np.float32)
    result = client.infer(name, [tensor("x", x)], request_id="41")
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * x + 1)
    assert result.get_response().id == "41"


def test_a_request_may_name_the_version(client):
    results = {
        version: client.infer("affine", [tensor("x", ONES)], model_version=version) for version in ("1", "")
    }
    assert results["1"].as_numpy("y")[0, 0] == 2
    assert results[""].as_numpy("y")[0, 0] == 3
    assert results["1"].get_response().model_version == "1"
    assert results[""].get_response().model_version == "2"


def test_two_inputs_two_outputs_and_no_batch(client):
    a, b = np.arange(16, dtype=np.int32).reshape(1, 16), np.full((1, 16), 5, np.int32)
    inputs = [tensor("INPUT1", b, "INT32"), tensor("INPUT0", a, "INT32")]
    result = client.infer("simple", inputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), a + b)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), a - b)
    one = client.infer("simple", inputs, outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert one.as_numpy("OUTPUT0") is None
    np.testing.assert_array_equal(one.as_numpy("OUTPUT1"), a - b)


def test_strings_and_halves_go_through(client):
    text = np.array([["é".encode(), b""], [b"b", b"two words"]], np.object_)
    assert client.infer("text", [tensor("x", text, "BYTES")]).as_numpy("y").tolist() == text.tolist()
    half = np.array([[0.5, 65504]], np.float16)
    np.testing.assert_array_equal(client.infer("half", [tensor("x", half, "FP16")]).as_numpy("y"), half)
    ids = np.array([2, 0], np.int32)
    labels = client.infer("labels_lite", [tensor("ids", ids, "INT32"), tensor("text", text[:, 0], "BYTES")])
    assert labels.as_numpy("label").tolist() == [b"c", b"a"]
    assert labels.as_numpy("same").tolist() == [False, True]


def test_more_rows_than_a_run_of_joined_requests_has_are_answered_where_no_config_says_otherwise(client):
    x = np.arange(300, dtype=np.float32).reshape(100, 3)
    assert client.get_model_config("affine").config.max_batch_size == 64
    np.testing.assert_array_equal(client.infer("affine", [tensor("x", x)]).as_numpy("y"), 2 * x + 1)


def test_typed_contents_are_understood(channel):
    request = pb.ModelInferRequest(model_name="affine")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1, 2, 3])
    response = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
    assert np.frombuffer(response.raw_output_contents[0], np.float32).tolist() == [3, 5, 7]


@pytest.mark.parametrize(
    ("name", "inputs", "version", "error"),
    [
        ("none", [tensor("x", ONES)], "", "NOT_FOUND.*no model 'none' here"),
        ("affine", [tensor("x", ONES)], "7", "NOT_FOUND.*no version 7; it has: 1, 2"),
        ("affine", [tensor("x", ONES)], "newest", "INVALID_ARGUMENT.*must be a number.*'newest'"),
        ("bad", [tensor("x", ONES)], "", "UNAVAILABLE.*'bad' is not ready: version 1: onnxruntime"),
        ("affine", [tensor("z", ONES)], "", "INVALID_ARGUMENT.*no input 'z'; it has 'x'"),
        ("affine", [tensor("x", ONES[:, :2])], "", r"INVALID_ARGUMENT.*'x' has shape \[-1,3\].*got \[2,2\]"),
        (
            "affine",
            [tensor("x", ONES.astype(np.float64), "FP64")],
            "",
            "INVALID_ARGUMENT.*is of datatype FP32; got FP64",
        ),
        (
            "half",
            [tensor("x", np.ones((17, 2), np.float16), "FP16")],
            "",
            "INVALID_ARGUMENT.*17 rows; at most 16",
        ),
        ("affine", [], "", "INVALID_ARGUMENT.*needs 'x' too; came nothing"),
    ],
)
def test_errors_name_what_came_and_what_was_expected(client, name, inputs, version, error):
    with pytest.raises(InferenceServerException, match=error):
        client.infer(name, inputs, model_version=version)


def test_a_fault_in_the_model_is_internal_and_reveals_nothing(client):
    ids = np.array([99], np.int64)
    with pytest.raises(InferenceServerException, match=r"INTERNAL.*its log says why") as error:
        client.infer("lookup", [tensor("ids", ids, "INT64")])
    assert "Gather" not in str(error.value)
    good = client.infer("lookup", [tensor("ids", np.array([3], np.int64), "INT64")])
    assert good.as_numpy("row").tolist() == [[6.0, 7.0]]


def test_what_the_server_does_not_do_is_unimplemented(client):
    with pytest.raises(InferenceServerException, match=r"UNIMPLEMENTED.*does not do CudaSharedMemoryStatus"):
        client.get_cuda_shared_memory_status()


@pytest.mark.parametrize("message", [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xff", b"junk"])
def test_a_message_that_is_no_protobuf_is_the_clients_fault(channel, message):
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(grpc.RpcError) as error:
        call(message, timeout=PATIENCE)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/inference.GRPCInferenceService/Dance")(b"", timeout=PATIENCE)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_of_the_server_and_of_each_model(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    found = {
        name: stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE).status
        for name in ("", "inference.GRPCInferenceService", "affine", "bad")
    }
    assert list(found.values()) == [2, 2, 1, 2]


def test_reflection_lists_the_services_and_their_messages(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(database.get_services())
    for service in database.get_services():
        described = database.FindFileContainingSymbol(service)
        assert service.rpartition(".")[2] in {each.name for each in described.service}


def test_messages_beyond_grpcios_four_megabytes_are_taken(full_server):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(full_server.address, options=options) as channel:
        request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(5 << 20)])
        request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        with pytest.raises(grpc.RpcError, match="takes 12 bytes; got 5242880"):
            GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE)
