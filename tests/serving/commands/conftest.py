import argparse
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)
from serving.commands import health as health_command
from serving.commands import predict

MODELS = {
    "rows": (("x", "FP32", [-1, 3]),),
    "whole": (("x", "INT32", [-1, 2]),),
    "two": (("a", "FP32", [-1]), ("b", "UINT8", [-1])),
    "digits": (("x", "FP32", [-1, 16]),),
    "colour": (("x", "UINT8", [-1, 2, -1, 3]),),
    "text": (("s", "BYTES", [-1, 2]),),
}


class Echo(GRPCInferenceServiceServicer):
    """Answers each model's inputs as its outputs, of the same names; an output named `no` is refused."""

    def ModelMetadata(self, request, context):  # noqa: N802  grpc's name
        if request.name not in MODELS:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no model '{request.name}'")
        answer = pb.ModelMetadataResponse(name=request.name, versions=["1"])
        for name, datatype, shape in MODELS[request.name]:
            answer.inputs.add(name=name, datatype=datatype, shape=shape)
        return answer

    def ModelInfer(self, request, context):  # noqa: N802
        wanted = [output.name for output in request.outputs]
        if "no" in wanted:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no output 'no'")
        answer = pb.ModelInferResponse(
            model_name=request.model_name, model_version=request.model_version or "1"
        )
        for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
            if not wanted or tensor.name in wanted:
                answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
                answer.raw_output_contents.append(raw)
        return answer


@pytest.fixture(scope="module")
def address():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_GRPCInferenceServiceServicer_to_server(Echo(), server)
    states = health.HealthServicer()
    states.set("", health_pb2.HealthCheckResponse.SERVING)
    states.set("rows", health_pb2.HealthCheckResponse.SERVING)
    states.set("broken", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture
def run(address):
    """Parse a command line as `plainserve` does and run it against the server; returns the exit code."""
    top = argparse.ArgumentParser(prog="plainserve")
    subparsers = top.add_subparsers()
    predict.add_parser(subparsers)
    health_command.add_parser(subparsers)

    def call(*arguments, server=address):
        options = top.parse_args([*map(str, arguments), "--server", server])
        return options.run(options)

    return call
