"""Two servers over one repository: one with each front end."""

import pytest
from coupled_models import cumulated
from free_ports import free_port
from infer_requests import NUMBERS
from onnx import TensorProto, helper

JOINED = "max_batch_size: 64\ndynamic_batching { }"
"""The config of models whose rows are independent."""

TYPES = {"FP32": "FLOAT", "FP64": "DOUBLE"}
"""ONNX's names of datatypes, where they differ."""


def numbers(save):
    """An input of each datatype, which comes back under its name and ``_back``."""
    nodes, inputs, outputs = [], [], []
    for kind in NUMBERS:
        element, back = getattr(TensorProto, TYPES.get(kind, kind)), f"{kind}_back"
        nodes.append(helper.make_node("Identity", [kind], [back]))
        inputs.append(helper.make_tensor_value_info(kind, element, ["batch", 2]))
        outputs.append(helper.make_tensor_value_info(back, element, ["batch", 2]))
    return save(nodes, inputs, outputs)


class Both:
    """The servers, by the name of their front end.

    Attributes:
        root: Their repository.
        servers: The servers.
        metrics: The addresses of their metrics.
    """

    def __init__(self, root, servers, metrics):
        self.root, self.servers, self.metrics = root, servers, metrics


@pytest.fixture(scope="session")
def both(start_with_each, tmp_path_factory, onnx_models):
    root = tmp_path_factory.mktemp("repository")
    models = {
        "affine": onnx_models.affine(),
        "affin2": onnx_models.affine(3.0),
        "swapped": onnx_models.affine(1.0),
        "numbers": numbers(onnx_models.save),
        "text": onnx_models.identity(TensorProto.STRING, ["batch", 2]),
        "FP16": onnx_models.identity(TensorProto.FLOAT16, ["batch", 2]),
        "BF16": onnx_models.identity(TensorProto.BFLOAT16, ["batch", 2]),
        "lookup": onnx_models.lookup(),
        "scored": onnx_models.examples("classes", "scores"),
        "regressor": onnx_models.examples("outputs"),
        "counter": onnx_models.counter(),
        "coupled": cumulated(None, 3),
        "broken": b"junk",
    }
    for name, content in models.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
    for name in ("affine", "affin2", "swapped"):
        (root / name / "config.pbtxt").write_text(JOINED)
    ports = {}

    def options(name):
        ports[name] = free_port()
        return ("--model-control-mode", "explicit", "--load-model", "*", "--metrics-port", str(ports[name]))

    servers = start_with_each(root, options)
    metrics = {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items()}
    return Both(root, servers, metrics)
