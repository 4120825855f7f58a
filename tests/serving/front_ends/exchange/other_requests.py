"""Requests to every other method: TensorFlow Serving's, health, and what describes or changes models."""

import numpy as np
from grpc_health.v1 import health_pb2
from infer_requests import NUMBERS
from outcomes import Request

from protos import open_inference_pb2 as pb
from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as tf
from serving.datatypes import NUMPY
from serving.services.tensorflow_serving import tensor_proto

INFERENCE = "/inference.GRPCInferenceService/"
PREDICTION, MODELS = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
HEALTH = "/grpc.health.v1.Health/Check"

X = np.float32([[1, -2, 3.5]])


def predict_requests() -> dict[str, Request]:
    """Requests to Predict, with ``tensor_content`` and with the lists of each type."""
    made = {}
    for content in (True, False):
        form = "content" if content else "listed"
        made[f"affine, {form}"] = _predict("affine", {"x": X}, content=content)
        made[f"affin2, {form}"] = _predict("affin2", {"x": X}, content=content)
        made[f"two rows, {form}"] = _predict("affine", {"x": np.repeat(X, 2, 0)}, content=content)
        numbers = {kind: np.array([[0, 1]]).astype(NUMPY[kind]) for kind in NUMBERS}
        made[f"all datatypes, {form}"] = _predict("numbers", numbers, content=content)
        chosen = made[f"chosen outputs, {form}"] = _predict("numbers", numbers, content=content)
        chosen.output_filter.extend(["INT8_back", "FP64_back"])
        made[f"no model, {form}"] = _predict("affinx", {"x": X}, content=content)
        made[f"the wrong shape, {form}"] = _predict("affine", {"x": X[:, :2]}, content=content)
        made[f"the wrong input, {form}"] = _predict("affine", {"z": X}, content=content)
    made["text"] = _predict("text", {"x": np.array([[b"a", b""]], np.object_)})
    made["one for all"] = _predict("affine", {"x": X})
    made["one for all"].inputs["x"].float_val[1:] = []
    made["the version"] = _predict("affine", {"x": X}, content=True)
    made["the version"].model_spec.version.value = 1
    made["no version"] = _predict("affine", {"x": X}, content=True)
    made["no version"].model_spec.version.value = 6
    made["a label"] = _predict("affine", {"x": X}, content=True)
    made["a label"].model_spec.version_label = "stable"
    made["a signature"] = _predict("affine", {"x": X}, content=True)
    made["a signature"].model_spec.signature_name = "serving_default"
    made["no signature"] = _predict("affine", {"x": X}, content=True)
    made["no signature"].model_spec.signature_name = "other"
    made["a byte too few"] = _predict("affine", {"x": X}, content=True)
    made["a byte too few"].inputs["x"].tensor_content = bytes(11)
    made["too many"] = _predict("affine", {"x": X})
    made["too many"].inputs["x"].float_val.extend([1.0] * 1000)
    made["the wrong type"] = _predict("affine", {"x": X})
    made["the wrong type"].inputs["x"].dtype = core.DT_INT32
    made["nothing"] = tf.PredictRequest()
    made["another output"] = _predict("affine", {"x": X})
    made["another output"].output_filter.append("z")
    return {name: _request(PREDICTION + "Predict", message) for name, message in made.items()} | {
        "no protobuf": Request(PREDICTION + "Predict", b"\x0a\xff")
    }


def example_requests() -> dict[str, Request]:
    """Requests to the other methods of TensorFlow Serving."""
    made = {}
    for model in ("scored", "regressor", "affine", "none"):
        spec = tf.ModelSpec(name=model)
        tasks = [tf.InferenceTask(model_spec=spec, method_name="tensorflow/serving/classify")]
        for name, message in {
            "Classify": tf.ClassificationRequest(model_spec=spec, input=_examples()),
            "Regress": tf.RegressionRequest(model_spec=spec, input=_examples()),
            "MultiInference": tf.MultiInferenceRequest(tasks=tasks, input=_examples()),
            "GetModelMetadata": tf.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"]),
        }.items():
            made[f"{name} {model}"] = _request(PREDICTION + name, message)
        made[f"GetModelStatus {model}"] = _request(
            MODELS + "GetModelStatus", tf.GetModelStatusRequest(model_spec=spec)
        )
    made["GetModelMetadata of nothing"] = Request(PREDICTION + "GetModelMetadata", b"")
    made["HandleReloadConfigRequest"] = Request(MODELS + "HandleReloadConfigRequest", b"")
    return made


def describing_requests() -> dict[str, Request]:
    """Health, metadata, settings and the repository; nothing is changed for long."""
    made = {}
    for name, version in (
        ("affine", ""),
        ("affine", "1"),
        ("affine", "3"),
        ("none", ""),
        ("broken", ""),
        ("ä", ""),
    ):
        for method, kind in {
            "ModelReady": pb.ModelReadyRequest,
            "ModelMetadata": pb.ModelMetadataRequest,
            "ModelConfig": pb.ModelConfigRequest,
        }.items():
            made[f"{method} {name} {version}"] = _request(
                INFERENCE + method, kind(name=name, version=version)
            )
    for service in ("", "affine", "none", "inference.GRPCInferenceService", "grpc.health.v1.Health"):
        made[f"health of '{service}'"] = _request(HEALTH, health_pb2.HealthCheckRequest(service=service))
    for method in (
        "ServerLive", "ServerReady", "ServerMetadata", "RepositoryIndex", "TraceSetting", "LogSettings",
        "SystemSharedMemoryStatus", "SystemSharedMemoryUnregister", "CudaSharedMemoryStatus",
        "CudaSharedMemoryUnregister",
    ):  # fmt: skip
        made[method] = Request(INFERENCE + method, b"")
    region = pb.SystemSharedMemoryRegisterRequest(name="r", key="/k", byte_size=8)
    cuda = pb.CudaSharedMemoryRegisterRequest(name="r", raw_handle=b"x" * 64, byte_size=8)
    for what, method, message in (
        ("what is ready", "RepositoryIndex", pb.RepositoryIndexRequest(ready=True)),
        ("another repository", "RepositoryIndex", pb.RepositoryIndexRequest(repository_name="r")),
        ("register", "SystemSharedMemoryRegister", region),
        ("register on a GPU", "CudaSharedMemoryRegister", cuda),
    ):
        made[what] = _request(INFERENCE + method, message)
    return made


def changing_requests() -> dict[str, Request]:
    """Loads and unloads, after which the same models are loaded."""
    load, unload = INFERENCE + "RepositoryModelLoad", INFERENCE + "RepositoryModelUnload"
    config = pb.RepositoryModelLoadRequest(model_name="affin2")
    config.parameters["config"].string_param = '{"max_batch_size": "many"}'
    made = {
        f"load {name}": _request(load, pb.RepositoryModelLoadRequest(model_name=name))
        for name in ("affin2", "broken", "none", "")
    }
    return made | {
        "load with a bad config": _request(load, config),
        "unload none": _request(unload, pb.RepositoryModelUnloadRequest(model_name="none")),
        "unload": _request(unload, pb.RepositoryModelUnloadRequest(model_name="affin2")),
        "load again": made["load affin2"],
        "index": Request(INFERENCE + "RepositoryIndex", b""),
    }


def unknown_methods() -> dict[str, Request]:
    """Paths that the server does not have, and methods called as if they had one response."""
    paths = ("Nothing", "modelinfer", "ModelInfer/", "")
    made = {f"method '{path}'": Request(INFERENCE + path, b"") for path in paths}
    others = ("/none.Service/Method", "/", "/a", "/inference.GRPCInferenceService", "/a/b/c", "/x" * 500)
    made |= {f"path {path[:40]}": Request(path, b"abc") for path in others}
    made["a stream that is asked once"] = Request(INFERENCE + "ModelStreamInfer", b"")
    return made


def _request(method: str, message: object) -> Request:
    return Request(method, message.SerializeToString(deterministic=True))


def _predict(model: str, inputs: dict[str, np.ndarray], *, content: bool = False) -> tf.PredictRequest:
    request = tf.PredictRequest(model_spec=tf.ModelSpec(name=model))
    names = {dtype: kind for kind, dtype in NUMPY.items() if kind != "BF16"}
    for name, array in inputs.items():
        tensor_proto.write(array, names[array.dtype], request.inputs[name], content=content)
    return request


def _examples() -> tf.Input:
    example = core.Example()
    example.features.feature["inputs"].bytes_list.value.append(b"a")
    return tf.Input(example_list=tf.ExampleList(examples=[example] * 2))
