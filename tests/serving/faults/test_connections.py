"""Clients that connect and then do nothing, too slowly, or too often."""

import resource
import time

import grpc
import numpy as np
import psutil
import pytest
from patience import PATIENCE, until

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow

MANY = 10_000
INFER = "/inference.GRPCInferenceService/ModelInfer"

FEW_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from serving.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def many_files():
    """As many open files as this user may have; how many connections that allows."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield min(MANY, most - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.fixture
def affine_server(repository, onnx_models, start_server):
    """Start a server of its own, which tests may wear out; and a check that it answers on a new connection."""
    repository.onnx("affine", onnx_models.affine())

    def start(*options, code=None):
        return start_server(repository.root, *options, code=code)

    return start


def answers(address):
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[np.float32([1, 2, 3]).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=PATIENCE, wait_for_ready=True)
    return np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [3, 5, 7]


def test_ten_thousand_connections_opened_and_left_cost_little_and_are_given_back(
    affine_server, connect, http2, many_files
):
    server = affine_server()
    process = psutil.Process(server.process.pid)
    assert answers(server.address)
    files, memory = process.num_fds(), process.memory_info().rss
    greeting = http2.PREFACE + http2.Frame(http2.SETTINGS).encoded()
    left = []
    for _ in range(many_files):
        left.append(connect(server.address))
        left[-1].sendall(greeting)  # at once: who says nothing for some seconds is hung up on
    until(lambda: process.num_fds() >= many_files)
    assert answers(server.address)
    assert process.memory_info().rss - memory < many_files * 100_000
    for each in left:
        each.close()
    until(lambda: process.num_fds() < files + 100)
    assert answers(server.address)


def test_a_server_without_free_files_waits_quietly_and_answers_again(affine_server, connect):
    server = affine_server(code=FEW_FILES)
    process = psutil.Process(server.process.pid)
    assert answers(server.address)
    left = [connect(server.address) for _ in range(200)]
    until(lambda: process.num_fds() >= 120)
    spent = sum(process.cpu_times()[:2])
    time.sleep(1)
    assert sum(process.cpu_times()[:2]) - spent < 0.5  # accepting in vain, over and over, takes all of it
    for each in left:
        each.close()
    assert answers(server.address)


def test_headers_that_come_byte_by_byte_hold_up_nobody(full_server, connect, http2):
    frames = http2.call(1, INFER, http2.message(b""))
    slow = http2.PREFACE + http2.Frame(http2.SETTINGS).encoded() + frames[0].encoded()
    left = [connect(full_server.address) for _ in range(100)]
    for at in range(0, len(slow) - 1, 8):
        for each in left:
            each.sendall(slow[at : at + 8])
        if at % 80 == 0:
            assert answers(full_server.address)
    # Nor do headers without an end, once their senders are gone.
    for each in left:
        each.close()
    assert answers(full_server.address)


def test_a_client_that_leaves_in_the_middle_of_a_stream_takes_its_requests_with_it(affine_server):
    server = affine_server()
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[bytes(12)])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    process = psutil.Process(server.process.pid)
    assert answers(server.address)
    files = process.num_fds()
    for _ in range(20):
        channel = grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        stream = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([request] * 500), timeout=PATIENCE)
        assert not next(stream).error_message
        channel.close()
    until(lambda: process.num_fds() <= files + 1)
    assert answers(server.address)
    server.terminate()
    code, _, log = server.wait()
    assert (code, "Traceback" in log, "never retrieved" in log) == (0, False, False)
