"""The workloads that servers are compared under: each is a model, requests to it, and a number of connections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.models import BATCHES, add_model, image_classifier, mlp
from protos import open_inference_pb2 as pb
from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as serving

INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"

SHAPES: dict[str, tuple[int, ...]] = {
    "small": (784,),
    "other": (256,),
    "large": (784,),
    "image": (3, 224, 224),
}
"""The shape of a row of each model's input."""

LARGE = (784, 2048, 1600, 256, 10)
"""The layers of the large model: 21 MB of weights."""


@dataclass(frozen=True)
class Request:
    """A request and the right answer.

    Attributes:
        path: The method.
        message: The gRPC message.
        expected: The model's output, as onnxruntime computes it in this process.
    """

    path: str
    message: bytes
    expected: np.ndarray


@dataclass(frozen=True)
class Workload:
    """A row of the tables.

    Attributes:
        key: Its name for ``--only``.
        title: Its name in the tables.
        connections: How many there are.
        streams: Requests in progress on each of them.
        model: The model of the requests.
        batch: Rows of each request.
        tls: Whether the connections are encrypted.
        predict: Whether the requests are of TensorFlow Serving's protocol.
        mixed: Whether no two requests in succession are alike: they alternate between two models and three
            shapes, each has an id, and every second one has a parameter.
    """

    key: str
    title: str
    connections: int
    streams: int = 1
    model: str = "small"
    batch: int = 1
    tls: bool = False
    predict: bool = False
    mixed: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The models that its requests ask for."""
        return (self.model, "other") if self.mixed else (self.model,)


WORKLOADS = (
    Workload("c1", "1 connection", 1),
    Workload("c8", "8 connections", 8),
    Workload("c32", "32 connections", 32),
    Workload("c128", "128 connections", 128),
    Workload("streams", "1 connection, 32 streams", 1, streams=32),
    Workload("batch", "4 connections, batch 32", 4, batch=32),
    Workload("large", "large model, 8 connections", 8, model="large"),
    Workload("image", "image of 600 KB, 8 connections", 8, model="image"),
    Workload("tls", "TLS, 32 connections", 32, tls=True),
    Workload("mixed", "mixed requests, 32 connections", 32, mixed=True),
    Workload("predict", "Predict, 32 connections", 32, predict=True),
)

MIXED = 96
"""Number of different requests of a mixed workload."""


@dataclass(frozen=True)
class Prepared:
    """A workload with everything that servers and load generators need.

    Attributes:
        workload: The workload.
        repository: A folder with its models, as Plainserve and Triton read it.
        requests: Its requests, one or many; a load repeats them.
        answer: The message that a server with a constant answer sends: a right answer to the first request.
    """

    workload: Workload
    repository: Path
    requests: Sequence[Request] = field(repr=False)
    answer: bytes = field(repr=False)


def prepare(workload: Workload, folder: Path) -> Prepared:
    """Write the models of a workload and make its requests."""
    repository = folder / "models"
    sessions = {}
    for name in workload.models:
        content = _model(name)
        add_model(repository, name, content, BATCHES)
        sessions[name] = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    requests = list(_requests(workload, sessions))
    return Prepared(workload, repository, requests, _answer(workload, requests[0].expected))


def _model(name: str) -> bytes:
    if name == "image":
        return image_classifier(SHAPES[name], 10)
    return mlp(LARGE if name == "large" else (*SHAPES[name], 64, 10))


def _requests(workload: Workload, sessions: dict[str, onnxruntime.InferenceSession]) -> Iterator[Request]:
    random = np.random.default_rng(5)
    for at in range(MIXED if workload.mixed else 1):
        model = workload.models[at % len(workload.models)]
        batch = workload.batch + at % 3
        rows = random.standard_normal((batch, *SHAPES[model]), np.float32)
        expected = sessions[model].run(None, {"x": rows})[0]
        if workload.predict:
            yield Request(PREDICT, _predict(model, rows), expected)
        else:
            yield Request(INFER, _infer(model, rows, at if workload.mixed else None), expected)


def _infer(model: str, rows: np.ndarray, number: int | None) -> bytes:
    """A ModelInfer request; with a number it has an id, and if that is odd also a parameter."""
    message = pb.ModelInferRequest(model_name=model, raw_input_contents=[rows.tobytes()])
    message.inputs.add(name="x", datatype="FP32", shape=rows.shape)
    if number is not None:
        message.id = f"request-{number}"
        if number % 2:
            message.parameters["trace"].string_param = f"trace-{number}"
    data: bytes = message.SerializeToString()
    return data


def _predict(model: str, rows: np.ndarray) -> bytes:
    message = serving.PredictRequest()
    message.model_spec.name = model
    tensor = message.inputs["x"]
    tensor.dtype, tensor.tensor_content = core.DT_FLOAT, rows.tobytes()
    for size in rows.shape:
        tensor.tensor_shape.dim.add(size=size)
    data: bytes = message.SerializeToString()
    return data


def _answer(workload: Workload, expected: np.ndarray) -> bytes:
    if workload.predict:
        predicted = serving.PredictResponse()
        predicted.model_spec.name = workload.model
        tensor = predicted.outputs["y"]
        tensor.dtype = core.DT_FLOAT
        tensor.float_val.extend(expected.ravel().tolist())
        for size in expected.shape:
            tensor.tensor_shape.dim.add(size=size)
        return bytes(predicted.SerializeToString())
    inferred = pb.ModelInferResponse(
        model_name=workload.model, model_version="1", raw_output_contents=[expected.tobytes()]
    )
    inferred.outputs.add(name="y", datatype="FP32", shape=expected.shape)
    return bytes(inferred.SerializeToString())
