"""A server for raw HTTP/2, and peers that speak it."""

import http2
import numpy as np
import pytest
from onnx import TensorProto
from raw_peer import RawPeer

from protos import open_inference_pb2 as pb


@pytest.fixture(scope="module")
def wire_server(module_server, tmp_path_factory, onnx_models):
    """Serves affine (y = 2x + 1), echo (y = x, of any width) and counter; requests have at most a MiB."""
    root = tmp_path_factory.mktemp("repository")
    models = {
        "affine": onnx_models.affine(),
        "echo": onnx_models.identity(TensorProto.FLOAT, ["batch", "width"]),
        "counter": onnx_models.counter(),
    }
    for name, content in models.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(content)
    return module_server(root, "--max-message-size", "1")


@pytest.fixture
def peer(wire_server):
    """Open raw connections to the server; they are closed with the test."""
    opened = []

    def connect(**options):
        opened.append(RawPeer(wire_server.address, **options))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def transport_name(request, frontend):  # noqa: ARG001  its parameter is asked for
    """The name of the transport that the server runs on."""
    return request.node.callspec.params["frontend"]


@pytest.fixture(scope="session")
def affine():
    """Makes a request to affine, as a message with its prefix, and the bytes of its answer's tensor."""

    def request(*x, **prefix):
        made = pb.ModelInferRequest(model_name="affine", raw_input_contents=[np.float32(x).tobytes()])
        made.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        return http2.message(made.SerializeToString(), **prefix), (2 * np.float32(x) + 1).tobytes()

    return request


@pytest.fixture(scope="session")
def echo():
    """Makes a request to echo with so many floats, as a message with its prefix."""

    def request(width, **fields):
        made = pb.ModelInferRequest(model_name="echo", raw_input_contents=[bytes(4 * width)], **fields)
        made.inputs.add(name="x", datatype="FP32", shape=[1, width])
        return http2.message(made.SerializeToString())

    return request


@pytest.fixture
def grpcio_differs(transport_name):
    """Skip a case that gRPC's core does otherwise than the documents say; gives the reason, from a dict of cases."""

    def skip(case, reasons):
        if transport_name == "grpcio" and case in reasons:
            pytest.skip(f"grpcio: {reasons[case]}")

    return skip
