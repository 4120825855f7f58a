"""What clients read when models are corrupt or hostile: reasons without paths or tracebacks."""

import re
import shutil

import grpc
import numpy as np
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as serving_pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from protos.tensorflow_serving_pb2_grpc import ModelServiceStub

REVEALING = re.compile(
    r"""Traceback | most\ recent\ call | File\ " | \.py\b | onnxruntime_src | site-packages
    | (?<![\w])/(?:tmp|root|home|usr|etc|opt|var|proc|work|dev)\b | \n""",
    re.VERBOSE,
)


def external(location):
    """A model whose weights lie in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weights])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    ).SerializeToString()


def unknown_operator():
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Evil", ["x"], ["y"], domain="evil.ops")], "g", [x], [y])
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("evil.ops", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString()


def golden(folder, onnx_models):
    (folder / "model.onnx").write_bytes(onnx_models.lookup())
    recorded = {"input:ids": np.array([99]), "output:row": np.zeros((1, 2), np.float32)}
    np.savez(folder / "golden.npz", **recorded)


HOSTILE = {
    "corrupt_onnx": lambda folder, _: (folder / "model.onnx").write_bytes(b"junk" * 9),
    "empty_onnx": lambda folder, _: (folder / "model.onnx").touch(),
    "truncated_onnx": lambda folder, models: (folder / "model.onnx").write_bytes(models.affine()[:-40]),
    "folder_onnx": lambda folder, _: (folder / "model.onnx").mkdir(),
    "external_up": lambda folder, _: (folder / "model.onnx").write_bytes(external("../../secret.bin")),
    "external_absolute": lambda folder, _: (folder / "model.onnx").write_bytes(external("/etc/hostname")),
    "external_missing": lambda folder, _: (folder / "model.onnx").write_bytes(external("none.bin")),
    "unknown_operator": lambda folder, _: (folder / "model.onnx").write_bytes(unknown_operator()),
    "golden": golden,
    "corrupt_golden": lambda folder, models: (
        (folder / "model.onnx").write_bytes(models.affine()),
        (folder / "golden.npz").write_bytes(b"PK\3\4junk"),
    ),
    "corrupt_tflite": lambda folder, _: (folder / "model.tflite").write_bytes(
        b"\x1c\0\0\0TFL3" + b"\xff" * 64
    ),
    "empty_tflite": lambda folder, _: (folder / "model.tflite").touch(),
    "corrupt_saved_model": lambda folder, _: (folder / "saved_model.pb").write_bytes(b"\xff" * 64),
    "empty_saved_model": lambda folder, _: (folder / "model.savedmodel").mkdir(),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, onnx_models, start_module_server):
    root = tmp_path_factory.mktemp("hostile")
    (root / "secret.bin").write_bytes(bytes(12))
    (root / "affine" / "1").mkdir(parents=True)
    (root / "affine" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    for name, make in HOSTILE.items():
        (root / name / "1").mkdir(parents=True)
        make(root / name / "1", onnx_models)
    (root / "bad_config" / "1").mkdir(parents=True)
    (root / "bad_config" / "config.pbtxt").write_text("max_batch_size: {\n nonsense")
    return start_module_server(root, "--model-control-mode", "explicit", "--load-model", "*")


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server.address) as made:
        yield made


def refused(call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value


@pytest.mark.parametrize("model", [*HOSTILE, "bad_config"])
def test_a_hostile_model_has_a_reason_that_reveals_nothing(channel, model):
    stub, request = GRPCInferenceServiceStub(channel), pb.ModelInferRequest(model_name=model)
    index = stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=PATIENCE).models
    (reason,) = [each.reason for each in index if each.name == model]
    spec = serving_pb.GetModelStatusRequest(model_spec=serving_pb.ModelSpec(name=model))
    (status,) = ModelServiceStub(channel).GetModelStatus(spec, timeout=PATIENCE).model_version_status
    assert status.status.error_message == reason
    calls = [
        lambda: stub.ModelInfer(request, timeout=PATIENCE),
        lambda: stub.ModelInfer(pb.ModelInferRequest(model_name=model, model_version="1"), timeout=PATIENCE),
        lambda: stub.ModelMetadata(pb.ModelMetadataRequest(name=model), timeout=PATIENCE),
        lambda: stub.ModelConfig(pb.ModelConfigRequest(name=model), timeout=PATIENCE),
        lambda: stub.ModelStatistics(pb.ModelStatisticsRequest(name=model), timeout=PATIENCE),
        lambda: stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=model), timeout=PATIENCE),
    ]
    (streamed,) = stub.ModelStreamInfer(iter([request]), timeout=PATIENCE)
    texts = [reason, streamed.error_message]
    for call in calls:
        error = refused(call)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        texts.append(error.details())
    assert all(reason in text for text in texts[1:])
    assert reason
    assert not [text for text in texts if REVEALING.search(text)]


def test_the_pattern_knows_what_reveals():
    for text in ('File "x"', "in /tmp/x", "x\ny", "'/etc/passwd'", "at /onnxruntime_src/x.cc", "a.py:3"):
        assert REVEALING.search(text), text
    for text in ("Node (/layer1/Add)", "model 'm' version 1", "MODEL/VERSION/FILE", "requests/s"):
        assert not REVEALING.search(text), text


NAMES = [
    "../affine",
    "affine/../affine",
    "/etc/passwd",
    "..",
    ".",
    "affine/1",
    "affine\0",
    "%2e%2e/affine",
    "~",
    "\u202e",
    "a" * 100_000,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12].encode("unicode_escape").decode())
def test_a_name_is_looked_up_and_never_becomes_a_path(channel, name):
    stub = GRPCInferenceServiceStub(channel)
    calls = [
        lambda: stub.ModelInfer(pb.ModelInferRequest(model_name=name), timeout=PATIENCE),
        lambda: stub.ModelMetadata(pb.ModelMetadataRequest(name=name), timeout=PATIENCE),
        lambda: stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=name), timeout=PATIENCE),
        lambda: stub.RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name=name), timeout=PATIENCE
        ),
    ]
    for call in calls:
        assert refused(call).code() is grpc.StatusCode.NOT_FOUND
    assert not stub.ModelReady(pb.ModelReadyRequest(name=name), timeout=PATIENCE).ready


@pytest.mark.parametrize("version", ["../1", "/1", "1/../1", "01", "1 ", "-1", "1\0", "\u0661", "9" * 5000])
def test_a_version_is_looked_up_and_never_becomes_a_path(channel, version):
    stub = GRPCInferenceServiceStub(channel)
    error = refused(
        lambda: stub.ModelMetadata(pb.ModelMetadataRequest(name="affine", version=version), timeout=PATIENCE)
    )
    assert error.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


def test_a_repository_that_vanished_is_not_named(start_server, onnx_models, tmp_path):
    root = tmp_path / "models"
    (root / "affine" / "1").mkdir(parents=True)
    (root / "affine" / "1" / "model.onnx").write_bytes(onnx_models.affine())
    server = start_server(root, "--model-control-mode", "explicit", "--load-model", "affine")
    shutil.rmtree(root)
    with grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for call in (
            lambda: stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=PATIENCE),
            lambda: stub.RepositoryModelLoad(
                pb.RepositoryModelLoadRequest(model_name="affine"), timeout=PATIENCE
            ),
        ):
            error = refused(call)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert error.details() == "the server cannot read its repository now; its log says why"
    server.terminate()
    assert str(root) in server.wait()[2]
