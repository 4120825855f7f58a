"""Small messages that unpack to large ones, many at once: what is unpacked is bounded, and given back."""

import gzip
from pathlib import Path

import grpc
import psutil
import pytest
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow

MIB = 1 << 20
INFER = "/inference.GRPCInferenceService/ModelInfer"
FRAME = 16 << 10
CALLS, SIZE = 12, 60 * MIB
MOST, REST = 400 * MIB, 200 * MIB
"""Bytes that the server may hold more, meanwhile and afterwards; all of them unpacked would be nearly twice that."""


def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.fixture
def server(repository, onnx_models, start_server):
    repository.onnx("affine", onnx_models.affine())
    return start_server(repository.root)


@pytest.fixture
def bomb(http2):
    """A call in the frames of a connection of its own; it fits the window that a connection begins with."""
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(SIZE)])
    body = http2.message(gzip.compress(request.SerializeToString(), 9), compressed=1)
    headers, _ = http2.call(1, INFER, b"", ("grpc-encoding", "gzip"))
    pieces = [body[at : at + FRAME] for at in range(0, len(body), FRAME)]
    assert len(body) < 65_000
    data = [http2.Frame(http2.DATA, 0, 1, piece) for piece in pieces[:-1]]
    last = http2.Frame(http2.DATA, http2.END_STREAM, 1, pieces[-1])
    frames = [http2.Frame(http2.SETTINGS), headers, *data, last]
    return http2.PREFACE + b"".join(each.encoded() for each in frames)


def healthy(server):
    with grpc.insecure_channel(server.address) as channel:
        request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)])
        request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        return bool(channel.unary_unary(INFER)(request.SerializeToString(), timeout=PATIENCE))


def test_a_crowd_of_packed_messages_is_unpacked_one_after_the_other(server, bomb, connect, http2):
    process = psutil.Process(server.process.pid)
    assert healthy(server)
    before = process.memory_info().rss
    connections = [connect(server.address) for _ in range(CALLS)]
    for each in connections:
        each.sendall(bomb)
    assert healthy(server)
    for each in connections:
        data = b""
        while b"grpc-status" not in http2.readable(data):
            more = each.recv(65536)
            assert more, data
            data += more
        each.close()
    assert peak(process.pid) < before + MOST
    until(lambda: process.memory_info().rss < before + REST)
    assert healthy(server)


def test_nothing_is_unpacked_for_connections_that_are_gone(server, bomb, connect):
    process = psutil.Process(server.process.pid)
    assert healthy(server)
    before, used = process.memory_info().rss, sum(process.cpu_times()[:2])
    for _ in range(CALLS):
        connection = connect(server.address)
        connection.sendall(bomb)
        connection.close()
    assert healthy(server)
    assert peak(process.pid) < before + MOST
    until(lambda: process.memory_info().rss < before + REST)
    # To unpack and parse one takes a fifth of a second.
    assert sum(process.cpu_times()[:2]) - used < CALLS * 0.1
