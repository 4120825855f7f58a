"""ONNX models for the benchmarks, and a repository with them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from protos import open_inference_pb2 as pb

BATCHES = "max_batch_size: 64\ndynamic_batching { }\n"
"""The configuration of a model whose requests may be run together, for Plainserve and for Triton."""


def mlp(sizes: Sequence[int]) -> bytes:
    """An ONNX model of dense layers with softsign between them: ``x`` FP32 [batch, first] to ``y``."""
    random = np.random.default_rng(4)
    nodes, weights, last = [], [], "x"
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        matrix = (random.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(matrix, f"weights{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"weights{layer}"], [f"product{layer}"]))
        last = "y" if layer == len(sizes) - 2 else f"activation{layer}"
        nodes.append(helper.make_node("Softsign", [f"product{layer}"], [last]))
    return _model([sizes[0]], sizes[-1], nodes, weights)


def image_classifier(shape: Sequence[int], classes: int) -> bytes:
    """An ONNX model that averages each channel and applies a dense layer: ``x`` FP32 [batch, *shape] to ``y``."""
    matrix = np.random.default_rng(6).standard_normal((shape[0], classes)).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["y"]),
    ]
    axes = onnx.numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    return _model(shape, classes, nodes, [axes, onnx.numpy_helper.from_array(matrix, "weights")])


def _model(
    shape: Sequence[int], outputs: int, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]
) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", outputs])
    graph = helper.make_graph(nodes, "benchmark", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def add_model(root: Path, name: str, content: bytes, config: str = "") -> None:
    """Put a model into a repository."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.onnx").write_bytes(content)
    (root / name / "config.pbtxt").write_text(config)


def request(model: str, size: int) -> bytes:
    """A ModelInfer request for one row of ``size`` floats."""
    row = np.random.default_rng(5).standard_normal((1, size), np.float32)
    message = pb.ModelInferRequest(model_name=model, raw_input_contents=[row.tobytes()])
    message.inputs.add(name="x", datatype="FP32", shape=[1, size])
    data: bytes = message.SerializeToString()
    return data
