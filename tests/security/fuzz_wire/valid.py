"""Messages that are right, one method after the other: what is mutated, and what is asked in between."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from target import KINDS

from protos import open_inference_pb2 as pb
from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as tf
from serving.datatypes import NUMPY, pack_bytes
from serving.services.tensorflow_serving import tensor_proto, tensor_types

INFERENCE, PREDICTION, MODELS = (
    "/inference.GRPCInferenceService/",
    "/tensorflow.serving.PredictionService/",
    "/tensorflow.serving.ModelService/",
)
STREAM = INFERENCE + "ModelStreamInfer"
METHODS = {
    "infer": INFERENCE + "ModelInfer",
    "stream": STREAM,
    "load": INFERENCE + "RepositoryModelLoad",
    "shared_memory": INFERENCE + "SystemSharedMemoryRegister",
    "predict": PREDICTION + "Predict",
    "metadata": PREDICTION + "GetModelMetadata",
}
"""The folders of the corpus."""

TENSOR = {"data_type": "TYPE_FP32", "dims": [3]}
X = {"name": "x", **TENSOR}
LEVELS = {"1": {"max_queue_size": 3}}
CONFIGS = [
    {"max_batch_size": 4},
    {"name": "spare", "backend": "onnxruntime", "max_batch_size": 8, "input": [X]},
    {"dynamic_batching": {"preferred_batch_size": [2], "max_queue_delay_microseconds": 100}},
    {"dynamic_batching": {"priority_levels": 2, "default_priority_level": 1, "priority_queue_policy": LEVELS}},
    {"instance_group": [{"count": 2, "kind": "KIND_CPU"}], "version_policy": {"latest": {"num_versions": 1}}},
    {"version_policy": {"specific": {"versions": [1]}}, "parameters": {"a": {"string_value": "b"}}},
    {"model_warmup": [{"name": "w", "batch_size": 2, "count": 2, "inputs": {"x": {**TENSOR, "random_data": True}}}]},
    {"output": [{"name": "y", **TENSOR, "label_filename": "labels.txt"}]},
]  # fmt: skip
"""What a load may bring."""


@dataclass(frozen=True)
class Seed:
    """A message that a method takes.

    Attributes:
        method: The method's full name.
        message: The message.
        weight: How often it is mutated, compared with others.
    """

    method: str
    message: Message
    weight: float = 1.0


@dataclass(frozen=True)
class Question:
    """A request whose answer is known.

    Attributes:
        seed: The request.
        answer: What the arrays of the answer must be, by output.
        arrays: Reads them from an answer's bytes.
    """

    seed: Seed
    answer: dict[str, np.ndarray]
    arrays: Callable[[bytes], dict[str, np.ndarray]] = field(repr=False)


def seeds() -> list[Seed]:
    """Every message that is mutated."""
    return [question.seed for question in questions()] + _more_inference() + _control() + _descriptions()


def questions() -> list[Question]:
    """Requests to every runtime, over every protocol, with their answers."""
    x = np.array([[1, -2, 3], [0.5, 0, -1]], np.float32)
    text = np.array([b"a", b"b"], np.object_)
    pairs = np.array([[b"", b"a\0b"], [b"long" * 20, "ä".encode()]], np.object_)
    kinds = {kind: _some(kind) for kind in KINDS}
    backs = {f"{kind}_back": array for kind, array in kinds.items()}
    free = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    asked = [
        ("affine", {"x": x}, {"y": 2 * x + 1}, 3),
        ("queued", {"x": x}, {"y": 2 * x + 1}, 3),
        ("affine_lite", {"x": x}, {"y": 2 * x + 1}, 2),
        ("same_lite", {"text": text}, {"same": text == b"b"}, 1),
        ("text", {"x": pairs}, {"x_back": pairs}, 3),
        ("kinds", kinds, backs, 4),
        ("free", {"x": free}, {"x_back": free}, 2),
        ("both", {"x": x, "text": text}, {"y": 2 * x + 1, "back": text}, 1),
    ]
    return [
        made
        for model, inputs, answer, weight in asked
        for made in (
            Question(Seed(INFERENCE + "ModelInfer", infer(model, inputs), weight), answer, inferred),
            Question(Seed(PREDICTION + "Predict", predict(model, inputs), weight / 2), answer, predicted),
        )
    ]


def infer(model: str, inputs: dict[str, np.ndarray]) -> pb.ModelInferRequest:
    """A request with raw contents."""
    request = pb.ModelInferRequest(model_name=model)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=_kind(array), shape=array.shape)
        request.raw_input_contents.append(_raw(array))
    return request


def predict(model: str, inputs: dict[str, np.ndarray]) -> tf.PredictRequest:
    """The same for TensorFlow Serving's protocol."""
    request = tf.PredictRequest(model_spec=tf.ModelSpec(name=model))
    for name, array in inputs.items():
        tensor_proto.write(array, _kind(array), request.inputs[name], content=True)
    return request


def inferred(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a ModelInferResponse."""
    response = pb.ModelInferResponse.FromString(data)
    return {
        output.name: _array(raw, output.datatype, tuple(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def predicted(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a PredictResponse."""
    names = {number: name for name, number in tensor_types.TYPES.items()}
    arrays = {}
    for name, tensor in tf.PredictResponse.FromString(data).outputs.items():
        shape, kind = tuple(dim.size for dim in tensor.tensor_shape.dim), names[tensor.dtype]
        values = list(getattr(tensor, tensor_types.FIELDS[kind]))
        if kind == "FP16":
            arrays[name] = np.array(values, np.uint16).view(np.float16).reshape(shape)
        else:
            arrays[name] = np.array([*values, None], np.object_)[:-1].astype(NUMPY[kind]).reshape(shape)
    return arrays


def _array(raw: bytes, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    if kind != "BYTES":
        return np.frombuffer(raw, NUMPY[kind]).reshape(shape)
    elements = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        elements.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return np.array([*elements, None], np.object_)[:-1].reshape(shape)


def _raw(array: np.ndarray) -> bytes:
    return pack_bytes(array) if array.dtype == np.object_ else array.tobytes()


def _kind(array: np.ndarray) -> str:
    return "BYTES" if array.dtype == np.object_ else next(k for k, t in NUMPY.items() if t == array.dtype)


def _some(kind: str) -> np.ndarray:
    if kind == "BYTES":
        return np.array([[b"a", b""]], np.object_)
    return np.array([[0, 1]]).astype(NUMPY[kind])


def _more_inference() -> list[Seed]:
    """Requests with typed contents, parameters, outputs, shared memory, in the ways that few clients use."""
    method, made = INFERENCE + "ModelInfer", []
    typed = pb.ModelInferRequest(model_name="affine", model_version="1", id="7")
    typed.inputs.add(name="x", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1, 2, 3])
    typed.outputs.add(name="y")
    made.append(typed)
    numbers = pb.ModelInferRequest(model_name="kinds")
    fields = {
        "FP32": "fp32",
        "FP64": "fp64",
        "BOOL": "bool",
        "INT64": "int64",
        "UINT64": "uint64",
        "BYTES": "bytes",
    }
    for kind in KINDS:
        contents = numbers.inputs.add(name=kind, datatype=kind, shape=[1, 2]).contents
        name = fields.get(kind, "uint" if kind.startswith("U") else "int")
        values = [b"a", b"b"] if kind == "BYTES" else [0, 1]
        getattr(contents, f"{name}_contents").extend(values)
    made.append(numbers)
    urgent = infer("queued", {"x": np.ones((1, 3), np.float32)})
    urgent.parameters["priority"].uint64_param = 1
    urgent.parameters["timeout"].int64_param = 1_500_000
    urgent.parameters["sequence_id"].int64_param = 0
    made.append(urgent)
    for model in ("affine", "kinds", "both", "affine_lite"):
        classified = infer(model, next(q for q in _arrays(model)))
        output = classified.outputs.add(name={"kinds": "INT32_back"}.get(model, "y"))
        output.parameters["classification"].int64_param = 2
        made.append(classified)
    shared = pb.ModelInferRequest(model_name="affine")
    place = shared.inputs.add(name="x", datatype="FP32", shape=[1, 3]).parameters
    out = shared.outputs.add(name="y").parameters
    for parameters in (place, out):
        parameters["shared_memory_region"].string_param = "region"
        parameters["shared_memory_byte_size"].int64_param = 12
        parameters["shared_memory_offset"].int64_param = 0
    made.append(shared)
    made += [infer("bf16", {}), infer("scalar", {"x": np.float32(1).reshape(())}), infer("broken", {})]
    made[-3].inputs.add(name="x", datatype="BF16", shape=[1, 2])
    made[-3].raw_input_contents.append(b"\x80\x3f\x00\x40")
    return [Seed(method, message) for message in made] + _listed_tensors()


def _arrays(model: str) -> list[dict[str, np.ndarray]]:
    x, text = np.ones((2, 3), np.float32), np.array([b"a", b"b"], np.object_)
    kinds = {kind: _some(kind) for kind in KINDS}
    return [
        {"affine": {"x": x}, "affine_lite": {"x": x}, "both": {"x": x, "text": text}, "kinds": kinds}[model]
    ]


def _listed_tensors() -> list[Seed]:
    """Predict with elements in the list of their type, fewer than the shape says."""
    request = tf.PredictRequest(model_spec=tf.ModelSpec(name="kinds", signature_name="serving_default"))
    request.model_spec.version.value = 1
    for kind in KINDS:
        tensor = request.inputs[kind]
        tensor.dtype = tensor_types.TYPES[kind]
        tensor_proto.write_shape((2, 2), tensor.tensor_shape)
        values = [b"a"] if kind == "BYTES" else [1]
        getattr(tensor, tensor_types.FIELDS[kind]).extend(values)
    request.output_filter.append("FP32_back")
    other = tf.PredictRequest.FromString(request.SerializeToString())
    other.model_spec.version_label = "stable"
    return [Seed(PREDICTION + "Predict", request, 4), Seed(PREDICTION + "Predict", other)]


def _control() -> list[Seed]:
    """What changes the server: all of it is undone in between."""
    loads = [pb.RepositoryModelLoadRequest(model_name="spare")]
    for config in CONFIGS:
        load = pb.RepositoryModelLoadRequest(model_name="spare")
        load.parameters["config"].string_param = json.dumps(config)
        loads.append(load)
    with_file = pb.RepositoryModelLoadRequest(model_name="spare")
    with_file.parameters["file:1/model.onnx"].string_param = "AAAA"
    unload = pb.RepositoryModelUnloadRequest(model_name="spare")
    unload.parameters["unload_dependents"].bool_param = False
    settings = pb.LogSettingsRequest()
    settings.settings["log_info"].bool_param = False
    settings.settings["log_verbose_level"].uint32_param = 0
    settings.settings["log_file"].string_param = ""
    trace = pb.TraceSettingRequest(model_name="affine")
    trace.settings["trace_level"].value.append("OFF")
    region = pb.SystemSharedMemoryRegisterRequest(
        name="region", key="/plainserve_fuzz", offset=0, byte_size=64
    )
    reload = tf.ReloadConfigRequest()
    for name in (
        "affine",
        "queued",
        "spare",
        "kinds",
        "text",
        "bf16",
        "free",
        "scalar",
        "both",
        "affine_lite",
        "same_lite",
    ):
        reload.config.model_config_list.config.add(name=name, base_path=f"/models/{name}", model_platform="x")
    reload.config.model_config_list.config[0].version_labels["stable"] = 1
    cuda = INFERENCE + "CudaSharedMemory"
    return [
        *(Seed(INFERENCE + "RepositoryModelLoad", load, 0.2) for load in [*loads, with_file]),
        Seed(INFERENCE + "RepositoryModelUnload", unload, 0.1),
        Seed(INFERENCE + "RepositoryIndex", pb.RepositoryIndexRequest(ready=True)),
        Seed(INFERENCE + "LogSettings", settings, 0.2),
        Seed(INFERENCE + "TraceSetting", trace, 0.5),
        Seed(INFERENCE + "SystemSharedMemoryRegister", region),
        Seed(INFERENCE + "SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest(name="region"), 0.5),
        Seed(INFERENCE + "SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest(name="region"), 0.3),
        Seed(cuda + "Register", pb.CudaSharedMemoryRegisterRequest(name="g", raw_handle=b"x" * 64, byte_size=8), 0.1),
        Seed(cuda + "Status", pb.CudaSharedMemoryStatusRequest(), 0.1),
        Seed(cuda + "Unregister", pb.CudaSharedMemoryUnregisterRequest(), 0.1),
        Seed(MODELS + "HandleReloadConfigRequest", reload, 0.02),
    ]  # fmt: skip


def _descriptions() -> list[Seed]:
    """What changes nothing."""
    named = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")
    spec = tf.ModelSpec(name="both")
    asked = [
        Seed(f"{INFERENCE}{name}", GetMessageClass(_input(name))(name=model, version=version), 0.2)
        for name in named
        for model, version in (("affine", ""), ("both", "1"), ("broken", ""))
    ]
    tasks = [
        tf.InferenceTask(model_spec=spec, method_name=f"tensorflow/serving/{method}")
        for method in ("classify", "regress")
    ]
    metadata = tf.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    return [
        *asked,
        Seed(INFERENCE + "ServerMetadata", pb.ServerMetadataRequest(), 0.1),
        Seed(PREDICTION + "GetModelMetadata", metadata),
        Seed(PREDICTION + "Classify", tf.ClassificationRequest(model_spec=spec, input=_examples()), 0.1),
        Seed(PREDICTION + "Regress", tf.RegressionRequest(model_spec=spec, input=_examples()), 0.1),
        Seed(PREDICTION + "MultiInference", tf.MultiInferenceRequest(tasks=tasks, input=_examples()), 0.1),
        Seed(MODELS + "GetModelStatus", tf.GetModelStatusRequest(model_spec=spec), 0.5),
    ]


def _examples() -> tf.Input:
    """An example, and what all examples share."""
    example = core.Example()
    example.features.feature["x"].float_list.value.extend([1.0, 2.0])
    listed = tf.ExampleListWithContext(examples=[example], context=example)
    return tf.Input(example_list_with_context=listed)


def _input(name: str) -> object:
    service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    return service.methods_by_name[name].input_type
