"""The arrows of the architecture: who may import whom."""

import ast
from pathlib import Path

import pytest

SERVING = Path(__file__).parents[2] / "serving"

FRONT = ("server", "services", "access", "flow_control", "transport")

LAYERS = ("workers", *FRONT, "load_trial", "metrics", "dataplane", "scheduler", "repository", "runtimes")
"""From the top; each may import those below it, and what belongs to no layer."""

SHARED = ("errors", "datatypes", "pem", "printable", "daemon_threads", "varint")

SOURCES = sorted(SERVING.rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(path):
    return path.relative_to(SERVING).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_serving_never_imports_the_converter_or_keras(path):
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & {"converter", "keras", "tf_keras"}


@pytest.mark.parametrize("path", SOURCES, ids=names)
def test_only_the_saved_model_runtime_imports_tensorflow(path):
    tops = {name.partition(".")[0] for name in imported(path)}
    assert "tensorflow" not in tops or path == SERVING / "runtimes" / "saved_model.py"


@pytest.mark.parametrize(
    "path", [path for layer in LAYERS for path in sorted((SERVING / layer).rglob("*.py"))], ids=names
)
def test_a_layer_imports_only_layers_below_it(path):
    layer = path.relative_to(SERVING).parts[0]
    allowed = {*LAYERS[LAYERS.index(layer) :], *SHARED, "__version__"}
    if layer in FRONT:
        allowed |= {*FRONT}
    parts = {name.split(".")[1] for name in imported(path) if name.startswith("serving.")}
    assert parts <= allowed


@pytest.mark.parametrize(
    "path",
    [
        path
        for layer in LAYERS[LAYERS.index("load_trial") :]
        for path in sorted((SERVING / layer).rglob("*.py"))
    ],
    ids=names,
)
def test_below_the_services_nobody_knows_of_grpc_or_protobuf(path):
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & {"grpc", "google", "protos", "grpc_health", "grpc_reflection"}
    assert not any(name.startswith("google.protobuf") for name in imported(path))


def test_the_arrows_are_checked_on_real_imports():
    found = set(imported(SERVING / "services" / "open_inference" / "inference_service.py"))
    assert "serving.dataplane.dataplane.DataPlane" in found
    assert "protos.open_inference_pb2" in found
