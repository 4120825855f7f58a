import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
from free_ports import free_port
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

TENSORS = {
    "double": (("x", "FP32", [-1, 3]),),
    "add": (("a", "INT32", [-1, 2]), ("b", "INT32", [-1, 2])),
    "half": (("h", "FP16", [-1]),),
    "brain": (("h", "BF16", [-1]),),
    "upper": (("s", "BYTES", [-1]),),
}


class Recorder(GRPCInferenceServiceServicer):
    """A server of five small models that keeps what it was asked and can be told to fail."""

    def __init__(self):
        self.requests = []
        self.calls = []
        self.failures = []  # (method, code, details, trailing metadata), each used once
        self.answer = None  # replaces the answer to ModelInfer
        self.hang, self.hanging = threading.Event(), 0
        self.ready = True
        self.remaining = []

    def _enter(self, method, context):
        self.calls.append(method)
        self.remaining.append(context.time_remaining())
        if self.failures and self.failures[0][0] == method:
            _, code, details, trailing = self.failures.pop(0)
            context.set_trailing_metadata(trailing)
            context.abort(code, details)

    def ServerLive(self, _request, context):  # noqa: N802  grpc's name
        self._enter("ServerLive", context)
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, _request, context):  # noqa: N802
        self._enter("ServerReady", context)
        return pb.ServerReadyResponse(ready=self.ready)

    def ModelReady(self, request, context):  # noqa: N802
        self._enter("ModelReady", context)
        if request.name not in TENSORS:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        return pb.ModelReadyResponse(ready=self.ready)

    def ModelMetadata(self, request, context):  # noqa: N802
        self._enter("ModelMetadata", context)
        if request.name not in TENSORS:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no model '{request.name}'")
        answer = pb.ModelMetadataResponse(name=request.name, versions=["1", "2"], platform="test")
        for name, datatype, shape in TENSORS[request.name]:
            answer.inputs.add(name=name, datatype=datatype, shape=shape)
            answer.outputs.add(name="y", datatype=datatype, shape=shape)
        return answer

    def ModelInfer(self, request, context):  # noqa: N802
        self._enter("ModelInfer", context)
        self.requests.append(request)
        if request.id == "hang":
            self.hanging += 1
            self.hang.wait(PATIENCE)
            self.hanging -= 1
        if self.answer is not None:
            return self.answer
        data = request.raw_input_contents
        if request.model_name == "double":
            result = (np.frombuffer(data[0], "<f4") * 2).tobytes()
        elif request.model_name == "add":
            result = (np.frombuffer(data[0], "<i4") + np.frombuffer(data[1], "<i4")).tobytes()
        else:
            result = data[0]
        answer = pb.ModelInferResponse(model_name=request.model_name, model_version="2", id=request.id)
        first = request.inputs[0]
        answer.outputs.add(name="y", datatype=first.datatype, shape=first.shape)
        answer.raw_output_contents.append(result)
        return answer


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def address(recorder):
    server = grpc.server(
        futures.ThreadPoolExecutor(4),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    add_GRPCInferenceServiceServicer_to_server(recorder, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    recorder.hang.set()
    server.stop(None).wait()


@pytest.fixture
def closed_address():
    """A port on which nothing listens."""
    return f"127.0.0.1:{free_port()}"
