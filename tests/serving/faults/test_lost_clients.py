"""Clients that go while they are answered: no traceback in the log, and nobody else notices."""

import random
import socket
import struct

import grpc
import pytest
from patience import PATIENCE

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow

SERVICE = "/inference.GRPCInferenceService"
ROUNDS = 60
"""Clients that go, each at another moment."""

LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing resets the connection."""


def affine():
    made = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)])
    made.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    return made.SerializeToString()


def ways_to_go(http2, raw):
    """The connection is reset, closed, or given up; the call is reset, for four of HTTP/2's reasons."""
    resets = [http2.Frame(http2.RESET, 0, 1, code.to_bytes(4, "big")).encoded() for code in (0, 2, 5, 8)]
    away = http2.Frame(http2.GOAWAY, 0, 0, bytes(8)).encoded()
    return [
        lambda: raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT),
        lambda: None,
        *(lambda frame=frame: raw.sendall(frame) for frame in (*resets, away)),
    ]


@pytest.mark.parametrize(("method", "messages"), [("ModelStreamInfer", 100), ("ModelInfer", 1)])
def test_clients_that_go_while_they_are_answered_leave_nothing_in_the_log(
    repository, onnx_models, start_server, connect, http2, method, messages
):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root)
    chance = random.Random(7)  # noqa: S311  which way each goes
    opening = http2.PREFACE + http2.Frame(http2.SETTINGS).encoded()
    body = http2.message(affine()) * messages
    asking = b"".join(frame.encoded() for frame in http2.call(1, f"{SERVICE}/{method}", body))
    for _ in range(ROUNDS):
        raw = connect(server.address)
        raw.sendall(opening + asking)
        # Some of what the server says comes first, so that it is met at one point or another.
        raw.recv(chance.choice([1, 100, 1000]))
        chance.choice(ways_to_go(http2, raw))()
        raw.close()
    with grpc.insecure_channel(server.address) as channel:
        request = pb.ModelInferRequest.FromString(affine())
        assert GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE).raw_output_contents
    server.terminate()
    assert server.wait() == (0, "", "")
