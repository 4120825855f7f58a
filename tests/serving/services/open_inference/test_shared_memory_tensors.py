"""Tensors in shared memory: no half of an answer passes for one, and they are bounded as messages are."""

import asyncio
import contextlib
import os
import resource
import threading
import uuid
from pathlib import Path

import grpc
import numpy as np
import pytest
from onnx import TensorProto

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.dataplane.messages import InferResult
from serving.dataplane.shared_memory import FOLDER, SharedMemory
from serving.errors import InvalidInputError, ModelNotFoundError, QueueFullError, TooLargeError
from serving.flow_control.byte_budget import CALL, ByteBudget
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference.shared_memory_tensors import AT_ONCE, SharedTensors

MIB = 1 << 20
SPEC = TensorSpec("y", "UINT8", (-1,))


def place(tensor, region, size, offset=0):
    tensor.parameters["shared_memory_region"].string_param = region
    tensor.parameters["shared_memory_byte_size"].uint64_param = size
    tensor.parameters["shared_memory_offset"].uint64_param = offset


def asking(size, *, source="in", target="", room=0, inputs=1):
    request = pb.ModelInferRequest(model_name="bytes")
    for number in range(inputs):
        place(request.inputs.add(name="x" * (number + 1), datatype="UINT8", shape=[size]), source, size)
    if target:
        place(request.outputs.add(name="y"), target, room or size)
    return request


# In this process: the parts by themselves.


@pytest.fixture
def memory(tmp_path):
    made = SharedMemory(allowed=True, most=4 * MIB, folder=tmp_path)
    for name in ("in", "out"):
        (tmp_path / name).write_bytes(bytes([7]) * (4 * MIB))
        made.register(name, name, 0, 4 * MIB)
    return made


@pytest.fixture
def held():
    return ByteBudget(8 * MIB, 8 * MIB, "requests that are being answered")


async def echo(asked, _request_id=""):
    return InferResult(asked.model, "1", [SPEC], [np.frombuffer(asked.raw[0], np.uint8)])


def test_what_lies_in_shared_memory_is_answered_and_not_counted_any_more(memory, held, tmp_path):
    (tmp_path / "out").write_bytes(bytes(4 * MIB))
    answer = asyncio.run(SharedTensors(memory, held).answer(asking(4 * MIB, target="out"), None, echo))
    assert (answer.raw_output_contents[0], answer.outputs[0].shape[0]) == (b"", 4 * MIB)
    assert answer.outputs[0].parameters["shared_memory_byte_size"].int64_param == 4 * MIB
    assert (tmp_path / "out").read_bytes() == bytes([7]) * (4 * MIB)
    assert held.total == 0


@pytest.mark.parametrize(("size", "thread"), [(1024, "main"), (AT_ONCE + 1, "another")])
def test_large_tensors_are_copied_beside_the_event_loop(memory, held, monkeypatch, size, thread):
    seen = []

    def watched(real):
        def call(*arguments):
            seen.append("main" if threading.current_thread() is threading.main_thread() else "another")
            return real(*arguments)

        return call

    monkeypatch.setattr(os, "preadv", watched(os.preadv))
    monkeypatch.setattr(os, "pwrite", watched(os.pwrite))
    asyncio.run(SharedTensors(memory, held).answer(asking(size, target="out"), None, echo))
    assert seen == [thread, thread]


@pytest.mark.parametrize("request_", [asking(4 * MIB + 1), asking(3 * MIB, inputs=2), asking(2**63 - 1)])
def test_inputs_that_are_larger_than_a_message_may_be_are_not_read(memory, held, monkeypatch, request_):
    monkeypatch.setattr(os, "preadv", None)
    with pytest.raises(TooLargeError, match="4194304 is the most, as of a message"):
        asyncio.run(SharedTensors(memory, held).answer(request_, None, echo))


def test_outputs_that_are_larger_than_a_message_may_be_are_not_written(memory, held, monkeypatch):
    async def grown(asked, _request_id):
        return InferResult(asked.model, "1", [SPEC], [np.zeros(4 * MIB + 1, np.uint8)])

    monkeypatch.setattr(os, "pwrite", None)
    with pytest.raises(TooLargeError, match="take 4194305 bytes"):
        asyncio.run(SharedTensors(memory, held).answer(asking(8, target="out"), None, grown))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asking(8, source="none"), ModelNotFoundError),
        (asking(8, target="none"), ModelNotFoundError),
        (asking(8, target="out", room=2**64 - 1), InvalidInputError),
    ],
)
def test_a_place_that_is_not_there_is_refused_before_the_model_runs(memory, held, request_, error):
    async def run(*_):
        pytest.fail("the model ran")

    with pytest.raises(error):
        asyncio.run(SharedTensors(memory, held).answer(request_, None, run))


def test_what_is_read_from_shared_memory_is_held_as_messages_are(memory):
    held = ByteBudget(6 * MIB, 6 * MIB, "requests that are being answered")
    tensors = SharedTensors(memory, held)

    async def crowd():
        release = asyncio.Event()

        async def slow(asked, request_id):
            await release.wait()
            return await echo(asked, request_id)

        first = asyncio.create_task(tensors.answer(asking(4 * MIB), None, slow))
        while not held.total:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="requests that are being answered take 4 MiB, and 6 is the"):
            await tensors.answer(asking(4 * MIB), None, slow)
        release.set()
        await first
        assert held.total == 0
        await tensors.answer(asking(4 * MIB), None, echo)

    asyncio.run(crowd())


class Call:
    """What is asked of a call."""

    def __init__(self, peer):
        self.peer = peer


def test_what_one_connection_has_in_shared_memory_leaves_room_for_others():
    held = ByteBudget(100 * MIB, 6 * MIB, "requests that are being answered")

    def entered(peer, size):
        token = CALL.set(Call(peer))
        try:
            return stack.enter_context(held.holding(size))
        finally:
            CALL.reset(token)

    with contextlib.ExitStack() as stack:
        entered("a", 4 * MIB)
        with pytest.raises(QueueFullError):
            entered("a", 4 * MIB)
        entered("b", 4 * MIB)
        assert held.total == 8 * MIB
    assert held.total == 0


# Against a server.


@pytest.fixture(scope="module")
def serving(tmp_path_factory, onnx_models, module_server):
    root = tmp_path_factory.mktemp("models")
    (root / "bytes" / "1").mkdir(parents=True)
    content = onnx_models.identity(TensorProto.UINT8, ["bytes"])
    (root / "bytes" / "1" / "model.onnx").write_bytes(content)
    (root / "bytes" / "config.pbtxt").write_text("max_batch_size: 0")
    return module_server(root, "--allow-shared-memory", "--max-message-size", "1")


@pytest.fixture
def stub(serving):
    with grpc.insecure_channel(serving.address) as channel:
        yield GRPCInferenceServiceStub(channel)


@pytest.fixture
def region(stub):
    """Make a region of that many bytes, none of them there yet; it goes with the test."""
    made = []

    def make(size):
        path = Path(FOLDER / f"plainserve_{uuid.uuid4().hex}")
        made.append(path)
        path.touch()
        os.truncate(path, size)
        stub.SystemSharedMemoryRegister(
            pb.SystemSharedMemoryRegisterRequest(name=path.name, key=f"/{path.name}", byte_size=size)
        )
        return path

    yield make
    for path in made:
        stub.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest(name=path.name))
        path.unlink()


@contextlib.contextmanager
def files_of(process, most):
    """Let no file of a process become longer than that: writing then ends as in a full file system."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def test_an_answer_that_does_not_fit_is_an_error_and_not_a_quarter_of_it(serving, stub, region):
    source, target = region(4096), region(4096)
    source.write_bytes(bytes([7]) * 4096)
    request = asking(4096, source=source.name, target=target.name)
    with files_of(serving.process, 1024), pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "has no room for the output" in refused.value.details()
    assert target.read_bytes().count(7) == 1024  # what was short is a real write
    assert stub.ModelInfer(request).outputs[0].shape == [4096]
    assert target.read_bytes() == source.read_bytes()


def test_a_region_of_a_tebibyte_is_not_read_into_memory(stub, region):
    sparse = region(1 << 40)
    for size in (MIB + 1, 1 << 40):
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(asking(size, source=sparse.name))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger --max-message-size" in refused.value.details()
    assert len(stub.ModelInfer(asking(MIB, source=sparse.name)).raw_output_contents[0]) == MIB


def test_numbers_of_64_bits_do_not_overflow(stub, region):
    name = region(64).name
    for offset, size in ((2**64 - 1, 1), (2**64 - 64, 64), (1, 2**64 - 1)):
        with pytest.raises(grpc.RpcError) as refused:
            stub.SystemSharedMemoryRegister(
                pb.SystemSharedMemoryRegisterRequest(name="r", key=f"/{name}", offset=offset, byte_size=size)
            )
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        request = asking(8, source=name, target=name)
        place(request.outputs[0], name, size, offset)
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(request)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
