"""From the first signal to the last answer."""

import asyncio
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE, until_async

from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals

STATUS = health_pb2.HealthCheckResponse
NEVER = 10 * PATIENCE
"""Seconds for which no test waits."""


def affine(value):
    row = np.full((1, 3), value, np.float32)
    request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[row.tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
    return request


@asynccontextmanager
async def serving(root, frontend, **options):
    options = ServerOptions(root, port=0, **{"drain_seconds": NEVER} | options)
    server = Server(options, transport=frontend.make)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield server, address, channel


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([], (False, False, False)),
        ([signal.SIGTERM], (True, False, False)),
        ([signal.SIGINT], (True, True, False)),
        ([signal.SIGTERM, signal.SIGTERM], (True, True, True)),
        ([signal.SIGTERM, signal.SIGINT], (True, True, True)),
        ([signal.SIGINT, signal.SIGINT], (True, True, True)),
    ],
)
def test_what_signals_mean(numbers, told):
    signals = Signals()
    for number in numbers:
        signals.arrived(number)
    assert (signals.stop.is_set(), signals.hurry.is_set(), signals.now.is_set()) == told


def test_a_lame_duck_says_that_it_leaves_and_answers_until_it_is_told_to_hurry(
    repository, onnx_models, frontend
):
    repository.onnx("affine", onnx_models.affine())

    async def run():
        async with serving(repository.root, frontend, lame_duck_seconds=NEVER) as (server, _, channel):
            stub, health = GRPCInferenceServiceStub(channel), health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == STATUS.SERVING
            signals = Signals()
            stopping = asyncio.create_task(server.stop(signals))
            assert (await watch.read()).status == STATUS.NOT_SERVING
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == STATUS.NOT_SERVING
            assert not (await stub.ServerReady(pb.ServerReadyRequest())).ready
            assert (await stub.ServerLive(pb.ServerLiveRequest())).live
            answer = await stub.ModelInfer(affine(2))
            assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [5, 5, 5]
            assert not stopping.done()
            signals.arrived(signal.SIGINT)
            assert await asyncio.wait_for(stopping, PATIENCE)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stub.ModelInfer(affine(2))
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(run())


def test_the_lame_duck_ends_by_itself(repository, onnx_models, frontend):
    repository.onnx("affine", onnx_models.affine())

    async def run():
        async with serving(repository.root, frontend, lame_duck_seconds=0.2) as (server, _, _):
            start = time.monotonic()
            assert await asyncio.wait_for(server.stop(Signals()), PATIENCE)
            assert time.monotonic() - start >= 0.2

    asyncio.run(run())


def test_interrupt_skips_the_lame_duck_and_a_second_signal_skips_all(
    repository, onnx_models, start_server, count_to, traffic
):
    repository.onnx("counter", onnx_models.counter())
    options = ("--lame-duck-seconds", str(NEVER), "--drain-seconds", str(NEVER), *traffic.options)
    server = start_server(repository.root, *options)
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(1) as pool:
        stub = GRPCInferenceServiceStub(channel)
        stub.ModelInfer(count_to(1), timeout=PATIENCE)
        endless = pool.submit(stub.ModelInfer, count_to(10**12), timeout=PATIENCE)
        traffic.wait_for(running=1)
        server.terminate(signal.SIGINT)
        with pytest.raises(TimeoutError):
            endless.result(timeout=0.3)
        server.terminate()
        code, _, err = server.wait()
        assert (code, err) == (1, "plainserve serve: ended before all that was accepted was answered\n")
        with pytest.raises(grpc.RpcError):
            endless.result()


def test_a_second_signal_with_nothing_under_way_is_an_end_like_any_other(
    repository, onnx_models, start_server
):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root, "--lame-duck-seconds", str(NEVER))
    server.terminate()
    server.terminate(signal.SIGINT)
    assert server.wait() == (0, "", "")


def test_a_stream_has_answers_for_all_that_was_accepted_and_takes_no_more(
    repository, onnx_models, steps_lasting, count_to, frontend
):
    repository.onnx("counter", onnx_models.counter())
    steps = steps_lasting(0.1)

    async def run():
        async with serving(repository.root, frontend, lame_duck_seconds=0.0) as (server, _, channel):
            stream = GRPCInferenceServiceStub(channel).ModelStreamInfer()
            for at in range(8):
                await stream.write(count_to(steps + at, id=str(at)))
            first = await stream.read()
            stopping = asyncio.create_task(server.stop(Signals()))
            await asyncio.sleep(0.01)
            await stream.write(count_to(1, id="late"))
            answers = [first] + [await stream.read() for _ in range(7)]
            assert [answer.infer_response.id for answer in answers] == [str(at) for at in range(8)]
            assert not any(answer.error_message for answer in answers)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await stream.read()
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert await asyncio.wait_for(stopping, PATIENCE)

    asyncio.run(run())


def test_idle_streams_and_watchers_do_not_hold_the_end_up(repository, onnx_models, frontend):
    repository.onnx("affine", onnx_models.affine())

    async def run():
        async with serving(repository.root, frontend, lame_duck_seconds=0.0) as (server, _, channel):
            stream = GRPCInferenceServiceStub(channel).ModelStreamInfer()
            await stream.write(affine(1))
            assert not (await stream.read()).error_message
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            assert await asyncio.wait_for(server.stop(Signals()), PATIENCE)

    asyncio.run(run())


async def ask_until_refused(address, value, outcomes):
    """A client on a connection of its own that asks without a pause, and notes what each of its calls came to."""
    x = affine(value)
    async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = GRPCInferenceServiceStub(channel)
        while True:
            try:
                answer = await stub.ModelInfer(x, timeout=PATIENCE)
            except grpc.aio.AioRpcError as error:
                outcomes.append(f"{error.code().name}: {error.details()}")
                return
            y = np.frombuffer(answer.raw_output_contents[0], np.float32).tolist()
            outcomes.append(y == [2 * value + 1] * 3)


async def ask_until_stopped(address, clients, stop):
    """So many clients ask; once each was answered, ``stop()`` is awaited. What all of their calls came to."""
    outcomes = [[] for _ in range(clients)]
    async with asyncio.TaskGroup() as group:
        for value, each in enumerate(outcomes):
            group.create_task(ask_until_refused(address, value, each))
        await until_async(lambda: all(outcomes))
        await stop()
    return [each for client in outcomes for each in client]


def test_under_load_every_accepted_request_is_answered(repository, onnx_models, frontend):
    repository.onnx("affine", onnx_models.affine())

    async def run():
        async with serving(repository.root, frontend, lame_duck_seconds=0.2) as (server, address, _):

            async def stop():
                assert await asyncio.wait_for(server.stop(Signals()), PATIENCE)

            return await ask_until_stopped(address, 16, stop), await server.metrics()

    outcomes, metrics = asyncio.run(run())
    pattern = r'grpc_server_handled_total\{.*grpc_method="ModelInfer",grpc_code="(\w+)"\} (\d+)'
    assert re.findall(pattern, metrics) == [("OK", str(outcomes.count(True)))]
    check_refusals(outcomes, 16)


def check_refusals(outcomes, clients):
    """Each client had right answers, and then one refusal that says to ask another server."""
    assert outcomes.count(False) == 0
    refusals = [each for each in outcomes if each is not True]
    assert len(refusals) == clients
    told = [each for each in refusals if each.startswith("UNAVAILABLE: the server is stopping")]
    # Who comes only after the end finds nobody. A call that was taken and dropped would say something else.
    late = [each for each in refusals if each.startswith("UNAVAILABLE: failed to connect")]
    assert len(told) + len(late) == clients, set(refusals)
    assert len(told) > clients / 2


@pytest.mark.slow
@pytest.mark.parametrize("repetition", range(20))
def test_sigterm_under_sixty_four_connections_fails_no_accepted_request(
    repository, onnx_models, start_server, repetition
):
    repository.onnx("affine", onnx_models.affine())
    server = start_server(repository.root, "--lame-duck-seconds", "0.1")

    async def stop():
        await asyncio.sleep(repetition / 100)
        server.terminate()

    outcomes = asyncio.run(ask_until_stopped(server.address, 64, stop))
    assert server.wait()[0] == 0
    assert outcomes.count(True) >= 64
    check_refusals(outcomes, 64)
