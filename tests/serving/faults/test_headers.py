"""Calls whose headers are not what gRPC writes."""

import grpc
import numpy as np
import pytest
from patience import PATIENCE
from tritonclient import grpc as triton

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

LIVE = "/inference.GRPCInferenceService/ServerLive"
X = np.array([[1, 2, 3]], np.float32)


def answers(address):
    """Whether a valid request is answered right, on a connection of its own."""
    with triton.InferenceServerClient(address) as client:
        tensor = triton.InferInput("x", [1, 3], "FP32")
        tensor.set_data_from_numpy(X)
        return client.infer("affine", [tensor], client_timeout=PATIENCE).as_numpy("y").tolist() == [[3, 5, 7]]


def read_until(connection, *parts, readable=bytes):
    """Read until one of these has come."""
    data = b""
    while not any(part in readable(data) for part in parts):
        more = connection.recv(65536)
        assert more, f"the connection ended after {data!r}"
        data += more
    return data


@pytest.mark.parametrize(
    "path", [b"\x92", b"/\xff\xfe/ModelInfer", b"/inference.GRPCInferenceService/\xc3", b""]
)
def test_a_path_that_is_no_text_is_unimplemented_and_harms_nobody(full_server, http2, connect, path):
    """grpcio by itself would close the port and every connection."""
    with grpc.insecure_channel(full_server.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE).live
        connection = connect(full_server.address)
        frames = http2.call(1, path, http2.message(b""))
        connection.sendall(
            http2.PREFACE + b"".join(each.encoded() for each in [http2.Frame(http2.SETTINGS), *frames])
        )
        if path:
            # RFC 9113, 8.3.1: a path that does not begin with a slash is malformed, and may end the stream.
            reset = http2.Frame(http2.RESET, 0, 1, (1).to_bytes(4, "big")).encoded()
            allowed = [b"Method not found!"] if path.startswith(b"/") else [b"Method not found!", reset]
            read_until(connection, *allowed, readable=http2.readable)
        assert stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE).live
    assert answers(full_server.address)
