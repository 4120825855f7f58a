"""What becomes of a server that can take no more calls, and of the calls it took."""

import asyncio
import logging

import grpc
import numpy as np
import pytest
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE, until_async

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.server import serve
from serving.server.options import FrontEnd, ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals
from serving.transport.grpcio import acceptor
from serving.transport.grpcio.acceptor import Acceptor


@pytest.fixture
def affine(repository, onnx_models):
    repository.onnx("affine", onnx_models.affine())
    return repository.root


def break_off(monkeypatch):
    """Have the calls of unknown paths no more taken, once one came."""
    accept = Acceptor._accept

    async def broken(self, path):
        if path is not None:
            await accept(self, path)
        await self._request_call()
        raise RuntimeError("broken")

    monkeypatch.setattr(acceptor.Acceptor, "_accept", broken)


def test_a_server_that_can_take_no_more_calls_says_so_and_ends(affine, monkeypatch, caplog):
    break_off(monkeypatch)
    watchers = []

    async def run():
        said = asyncio.get_running_loop().create_future()
        # Neither is waited for, or this test would end before it.
        options = ServerOptions(
            affine,
            frontend=FrontEnd.GRPCIO,
            port=0,
            lame_duck_seconds=10 * PATIENCE,
            drain_seconds=10 * PATIENCE,
        )
        serving = asyncio.create_task(serve.serve(options, said.set_result))
        address = (await said).rpartition(" ")[2]
        async with grpc.aio.insecure_channel(address) as channel:
            # A call that does not end by itself keeps nothing from ending.
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            watchers.append((await watch.read()).status)
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/no/such")(b"", timeout=PATIENCE)
            return await serving

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) is False
    assert watchers == [health_pb2.HealthCheckResponse.SERVING]
    assert [each.message for each in caplog.records if each.name == "serving.server.server"] == [
        "no more calls can be taken; ending"
    ]


def test_a_server_that_is_told_to_stop_can_take_calls_until_then(affine, caplog):
    async def run():
        made = Server(ServerOptions(affine, frontend=FrontEnd.GRPCIO, port=0, lame_duck_seconds=0.0))
        await made.start()
        return await made.stop(Signals())

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) is True
    assert not [each for each in caplog.records if each.name.startswith("serving")]


def test_the_calls_that_are_over_are_let_go(affine):
    row = np.ones((1, 3), np.float32)
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[row.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])

    async def run():
        made = Server(ServerOptions(affine, frontend=FrontEnd.GRPCIO, port=0, lame_duck_seconds=0.0))
        address = await made.start()
        async with grpc.aio.insecure_channel(address) as channel:
            infer = GRPCInferenceServiceStub(channel).ModelInfer
            answers = await asyncio.gather(*(infer(request, timeout=PATIENCE) for _ in range(50)))
            failures = await asyncio.gather(
                *(infer(pb.ModelInferRequest(model_name="x"), timeout=PATIENCE) for _ in range(50)),
                return_exceptions=True,
            )
            assert len(answers) == 50
            assert {each.code() for each in failures} == {grpc.StatusCode.NOT_FOUND}
            calls = made._transport._server._server._calls
            for task in [*calls]:
                await task
            await asyncio.sleep(0)
            assert not calls
        assert await made.stop(Signals())

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_call_that_its_client_gives_up_is_given_up_here(
    repository, onnx_models, steps_lasting, how, count_to
):
    repository.onnx("counter", onnx_models.counter())

    async def run():
        made = Server(ServerOptions(repository.root, frontend=FrontEnd.GRPCIO, port=0, lame_duck_seconds=0.0))
        address = await made.start()
        async with grpc.aio.insecure_channel(address) as channel:
            infer = GRPCInferenceServiceStub(channel).ModelInfer
            # It runs, and what comes next waits behind it.
            running = infer(count_to(steps_lasting(2)), timeout=PATIENCE)
            await until_async(lambda: made._flow.in_flight)
            waiting = infer(count_to(1), timeout=0.5 if how == "deadline" else PATIENCE)
            await until_async(lambda: made._flow.in_flight == 2)
            if how == "cancel":
                waiting.cancel()
            expected = grpc.StatusCode.CANCELLED if how == "cancel" else grpc.StatusCode.DEADLINE_EXCEEDED
            assert await waiting.code() == expected
            codes = made._flow.counts.of("/inference.GRPCInferenceService/ModelInfer").codes
            await until_async(lambda: codes)
            assert codes == {"CANCELLED": 1}
            assert not running.done()
            await running
            assert codes == {"CANCELLED": 1, "OK": 1}
        assert await made.stop(Signals())

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_an_answer_that_nobody_is_there_to_take_is_no_traceback(caplog):
    """A connection can be lost between grpcio's learning of it and our handing over an answer: it then says so."""
    handed = []

    async def handle(_requests, _context):
        yield b"one"
        handed.append("two")
        raise cygrpc.ExecuteBatchError('Failed "execute_batch"')

    class Handlers(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.stream_stream_rpc_method_handler(handle)

    async def run():
        made = acceptor.server([])
        acceptor.register(made, ["/a/B"], Handlers())
        port = made.add_insecure_port("127.0.0.1:0")
        await made.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream("/a/B")(iter([b""]))
            assert await call.read() == b"one"
            await until_async(lambda: handed)
        await made.stop(0)

    with caplog.at_level(logging.INFO):
        asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert not caplog.records
