"""A model that is loaded again and again leaves nothing behind; benchmarks/reload_memory.py is this at full size."""

import os

import grpc
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow

MB = 1_000_000
WIDTH = 1120
LAYERS = 4
"""So many matrices of 5 MB each."""

RELOADS = 30
ALLOWED = 2 * LAYERS * WIDTH * WIDTH * 4 / MB
"""MB: twice the model, which is far below what only a few that stayed would take."""


@pytest.fixture
def large(repository):
    random = np.random.default_rng(6)
    weights = [
        onnx.numpy_helper.from_array(random.standard_normal((WIDTH, WIDTH)).astype(np.float32), f"w{at}")
        for at in range(LAYERS)
    ]
    names = ["x", *(f"a{at}" for at in range(LAYERS - 1)), "y"]
    nodes = [helper.make_node("MatMul", [names[at], f"w{at}"], [names[at + 1]]) for at in range(LAYERS)]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "large", tensors[:1], tensors[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    repository.onnx("large", model.SerializeToString())
    return repository.root


def resident(process):
    return process.memory_info().rss / MB


def test_thirty_reloads_end_with_the_memory_and_the_threads_they_began_with(large, start_server):
    server = start_server(large, "--model-control-mode", "explicit", "--load-model", "large")
    process = psutil.Process(server.process.pid)
    row = np.ones((1, WIDTH), np.float32)
    asked = pb.ModelInferRequest(model_name="large", raw_input_contents=[row.tobytes()])
    asked.inputs.add(name="x", datatype="FP32", shape=row.shape)
    with grpc.insecure_channel(server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        expected = stub.ModelInfer(asked, timeout=PATIENCE).raw_output_contents
        before = resident(process)
        for at in range(RELOADS):
            os.utime(large / "large" / "1" / "model.onnx", ns=(at + 1, at + 1))
            stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="large"), timeout=PATIENCE)
            assert stub.ModelInfer(asked, timeout=PATIENCE).raw_output_contents == expected
            if at == 2:
                # By now the threads that load are all there.
                threads = process.num_threads()
        # What was replaced goes a little later.
        until(lambda: resident(process) - before < ALLOWED)
        until(lambda: process.num_threads() <= threads + 8)
