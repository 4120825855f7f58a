"""Answers that nobody reads, and requests that are large, do not fill the memory."""

import asyncio
import re
import struct
import time

import grpc
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper
from patience import PATIENCE, until_async

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.errors import QueueFullError
from serving.flow_control import stream_window
from serving.flow_control.byte_budget import ByteBudget
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals

MIB = 1 << 20
INFER = "/inference.GRPCInferenceService/ModelInfer"


class Call:
    """What is asked of a call."""

    def __init__(self, peer="a"):
        self.peer, self._callbacks = peer, []

    def on_end(self, callback):
        self._callbacks.append(callback)

    def end(self):
        for callback in self._callbacks:
            callback()


def test_a_connection_may_hold_so_much_and_all_together_so_much():
    held, calls = ByteBudget(100, 60, "answers"), [Call("a"), Call("b"), Call("c")]
    held.hold(60, calls[0])
    with pytest.raises(QueueFullError, match=r"answers take .* MiB") as refused:
        held.hold(1, Call("a"))
    assert refused.value.retry_after == 1.0
    held.hold(40, calls[1])
    with pytest.raises(QueueFullError):
        held.hold(1, calls[2])
    assert held.total == 100
    calls[0].end()
    held.hold(60, calls[2])
    calls[1].end()
    calls[2].end()
    assert held.total == 0


def test_one_message_may_be_of_any_size():
    held, call = ByteBudget(100, 60, "answers"), Call()
    held.hold(1000, call)
    call.end()
    assert held.total == 0


def zeros(count, identity=""):
    request = pb.ModelInferRequest(
        model_name="zeros", raw_input_contents=[np.int64(count).tobytes()], id=identity
    )
    request.inputs.add(name="n", datatype="INT64", shape=[1])
    return request


@pytest.fixture
def root(repository):
    """A model whose answers are as large as requests want: n -> n zeros."""
    n = helper.make_tensor_value_info("n", TensorProto.INT64, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None])
    graph = helper.make_graph([helper.make_node("ConstantOfShape", ["n"], ["y"])], "zeros", [n], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    repository.onnx("zeros", model.SerializeToString())
    return repository.root


def frame(kind, flags, stream, content):
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def header(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Mute:
    """A client that asks and never reads."""

    def __init__(self, writer):
        self._writer, self._stream = writer, 1
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))

    async def ask(self, request):
        headers = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", INFER.encode()),
            (b":authority", b"x"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        ]
        data = request.SerializeToString()
        self._writer.write(
            frame(1, 4, self._stream, b"".join(header(*each) for each in headers))
            + frame(0, 1, self._stream, b"\0" + struct.pack(">I", len(data)) + data)
        )
        self._stream += 2
        await self._writer.drain()


async def handled(server):
    """How many ModelInfer calls ended, by status."""
    pattern = r'grpc_server_handled_total\{.*grpc_method="ModelInfer",grpc_code="(\w+)"\} (\d+)'
    return {code: int(count) for code, count in re.findall(pattern, await server.metrics())}


async def stands_still(number):
    """Wait until a number has grown, and then no more for a while."""
    last = 0
    while not last or last != number():
        last = number()
        await asyncio.sleep(0.7)


@pytest.mark.alone
def test_large_answers_to_a_client_that_does_not_read_are_refused_and_others_are_served(root, frontend):
    asked, size = 40, 4 * MIB

    async def run():
        server = Server(
            ServerOptions(root, port=0, max_message_size=2 * MIB, lame_duck_seconds=0.0, drain_seconds=0.3),
            transport=frontend.make,
        )
        address = await server.start()
        before = psutil.Process().memory_info().rss
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        mute = Mute(writer)
        for _ in range(asked):
            await mute.ask(zeros(size // 4))

        async with asyncio.timeout(PATIENCE):
            while sum((codes := await handled(server)).values()) < asked:  # noqa: ASYNC110  a server tells nobody
                await asyncio.sleep(0.02)
        grown = psutil.Process().memory_info().rss - before
        options = [("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            answer = await GRPCInferenceServiceStub(channel).ModelInfer(zeros(size // 4), timeout=PATIENCE)
        # What nobody reads is waited for as long as anything else at the end, and then left.
        start = time.monotonic()
        drained = await asyncio.wait_for(server.stop(Signals()), PATIENCE)
        seconds = time.monotonic() - start
        writer.close()
        return codes, grown, len(answer.raw_output_contents[0]), drained, seconds

    codes, grown, answered, drained, seconds = asyncio.run(run())
    # 8 MiB for a connection: one answer, since two are a little more with what surrounds them.
    assert codes == {"OK": 1, "RESOURCE_EXHAUSTED": asked - 1}
    assert grown < 12 * size
    assert answered == size
    assert not drained
    assert seconds > 0.25


def test_a_stream_whose_answers_are_not_read_is_no_longer_listened_to(root, monkeypatch, frontend):
    monkeypatch.setattr(stream_window, "MAX_BYTES", MIB)
    asked, size = 160, MIB // 4

    async def run():
        server = Server(ServerOptions(root, port=0, lame_duck_seconds=0.0), transport=frontend.make)
        address = await server.start()
        options = [("grpc.max_receive_message_length", -1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            call = GRPCInferenceServiceStub(channel).ModelStreamInfer()

            async def write():
                for at in range(asked):
                    await call.write(zeros(size // 4, str(at)))
                await call.done_writing()

            writing = asyncio.create_task(write())
            ((_, statistics),) = server.statistics()
            await asyncio.wait_for(stands_still(lambda: statistics.runs), PATIENCE)
            ran = statistics.runs
            answers = [answer async for answer in call]
            await writing
        assert await server.stop(Signals())
        return ran, answers

    ran, answers = asyncio.run(run())
    # What lies between server and client holds some megabytes beside; all that was asked for are 40.
    assert 0 < ran < asked // 2
    assert [answer.infer_response.id for answer in answers] == [str(at) for at in range(asked)]
    assert {len(answer.infer_response.raw_output_contents[0]) for answer in answers} == {size}
    assert not any(answer.error_message for answer in answers)


def test_large_requests_beyond_what_may_be_held_are_refused_until_others_are_answered(
    repository, onnx_models, steps_lasting, count_to, frontend
):
    repository.onnx("counter", onnx_models.counter())
    long = steps_lasting(0.5)

    def request(steps, padding):
        made = count_to(steps)
        made.parameters["padding"].string_param = "x" * padding
        return made

    async def run():
        server = Server(
            ServerOptions(repository.root, port=0, max_message_size=MIB, lame_duck_seconds=0.0),
            transport=frontend.make,
        )
        address = await server.start()
        async with grpc.aio.insecure_channel(address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            held = [stub.ModelInfer(request(long, 900_000), timeout=PATIENCE) for _ in range(4)]
            await until_async(lambda: server._flow.in_flight == 4)
            with pytest.raises(
                grpc.aio.AioRpcError, match="requests that are being answered take 3 MiB"
            ) as refused:
                await stub.ModelInfer(request(1, 900_000), timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
            small = stub.ModelInfer(request(2, 10), timeout=PATIENCE)
            answers = [await each for each in (*held, small)]
            await stub.ModelInfer(request(1, 900_000), timeout=PATIENCE)
        assert await server.stop(Signals())
        return [np.frombuffer(each.raw_output_contents[0], np.int64)[0] for each in answers]

    assert asyncio.run(run()) == [long] * 4 + [2]


def test_large_requests_of_streams_are_counted_with_the_others_until_they_are_answered(root, frontend):
    """Of those that are too many the stream says so, each in its place."""

    async def ask(address, traffic):
        traffic.requests = ByteBudget(40 * MIB, 3 * MIB, "requests that are being answered")
        large = pb.ModelInferRequest(model_name="zeros", id="large", raw_input_contents=[bytes(2 * MIB)])
        async with grpc.aio.insecure_channel(address) as channel:
            call = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter([large] * 4))
            told = [each.error_message async for each in call]
        return told, traffic.requests.total

    async def run():
        server = Server(ServerOptions(root, port=0, lame_duck_seconds=0.0), transport=frontend.make)
        address = await server.start()
        try:
            return await asyncio.wait_for(ask(address, server._flow), PATIENCE)
        finally:
            assert await server.stop(Signals())

    told, left = asyncio.run(run())
    assert len(told) == 4
    assert all(told)
    assert "MiB, and 3 is the limit" not in told[0]
    assert left == 0
