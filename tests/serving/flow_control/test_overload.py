"""More is asked than a model can do: everything has one outcome, at once. benchmarks/overload.py measures times."""

import asyncio
import time
from collections import Counter

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE

from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow

MB = 1_000_000
STEPS = 3000
"""How far the model counts for each request: some milliseconds."""

BOUNDED = "dynamic_batching { default_queue_policy { max_queue_size: 10 } }"


class Load:
    """Requests that do not wait for each other, and what became of each."""

    def __init__(self, channel, count_to):
        self._count_to = count_to
        self._stub = GRPCInferenceServiceStub(channel)
        self._health = health_pb2_grpc.HealthStub(channel)
        self.outcomes, self.hints, self.healthy = Counter(), [], 0

    async def one(self, steps):
        try:
            answer = await self._stub.ModelInfer(self._count_to(steps), timeout=PATIENCE)
        except grpc.aio.AioRpcError as error:
            self.outcomes[error.code().name] += 1
            self.hints.extend(
                int(value) for key, value in error.trailing_metadata() if key == "grpc-retry-pushback-ms"
            )
        else:
            right = np.frombuffer(answer.raw_output_contents[0], np.int64).tolist() == [steps]
            self.outcomes["right" if right else "wrong"] += 1

    async def watch(self):
        while True:
            found = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            assert found.status == health_pb2.HealthCheckResponse.SERVING
            self.healthy += 1
            await asyncio.sleep(0.05)

    async def run(self, seconds):
        """Four times as much as a client that waits for its answers gets."""
        start = time.monotonic()
        for at in range(20):
            await self.one(STEPS + at)
        pause = (time.monotonic() - start) / 20 / 4
        watching = asyncio.create_task(self.watch())
        sent = [asyncio.create_task(self.one(STEPS + at)) for at in range(40)]
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            sent.append(asyncio.create_task(self.one(STEPS + len(sent))))
            await asyncio.sleep(pause)
        await asyncio.gather(*sent)
        assert not watching.done()
        watching.cancel()
        return 20 + len(sent)


@pytest.mark.parametrize("config", [BOUNDED, ""], ids=["bounded by number", "bounded by time"])
def test_four_times_the_capacity_is_answered_or_refused_at_once(
    repository, onnx_models, start_server, config, count_to
):
    repository.onnx("counter", onnx_models.counter())
    repository.config("counter", config)
    server = start_server(repository.root)

    async def run():
        async with grpc.aio.insecure_channel(server.address) as channel:
            load = Load(channel, count_to)
            before = psutil.Process(server.process.pid).memory_info().rss / MB
            sent = await load.run(2.0)
            grown = psutil.Process(server.process.pid).memory_info().rss / MB - before
            # Once it is over, everything is as before.
            await load.one(7)
            return load, sent + 1, grown

    load, sent, grown = asyncio.run(run())
    assert sum(load.outcomes.values()) == sent
    assert set(load.outcomes) <= {"right", "RESOURCE_EXHAUSTED"}
    assert load.outcomes["right"] > 20
    refused = load.outcomes["RESOURCE_EXHAUSTED"]
    assert refused > 0 or not config
    assert len(load.hints) == refused
    assert all(10 <= hint <= 10_000 for hint in load.hints)
    assert load.healthy > 1
    assert grown < 60


def test_a_request_whose_client_went_away_leaves_its_place(
    repository, onnx_models, start_server, steps_lasting, count_to, traffic
):
    repository.onnx("counter", onnx_models.counter())
    repository.config("counter", "dynamic_batching { default_queue_policy { max_queue_size: 2 } }")
    server = start_server(repository.root, *traffic.options)
    long = steps_lasting(3)

    async def run():
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = GRPCInferenceServiceStub(channel)
            await stub.ModelInfer(count_to(1), timeout=PATIENCE)
            running = stub.ModelInfer(count_to(long), timeout=PATIENCE)
            await asyncio.to_thread(traffic.wait_for, running=1)
            cancelled = [stub.ModelInfer(count_to(1)) for _ in range(2)]
            await asyncio.to_thread(traffic.wait_for, running=1, waiting=2)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ModelInfer(count_to(3), timeout=PATIENCE)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for each in cancelled:
                each.cancel()
            await asyncio.to_thread(traffic.wait_for, running=1)
            with pytest.raises(grpc.aio.AioRpcError) as expired:
                await stub.ModelInfer(count_to(2), timeout=0.5)
            assert expired.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.to_thread(traffic.wait_for, running=1)
            assert not running.done()
            waiting = [stub.ModelInfer(count_to(steps), timeout=PATIENCE) for steps in (4, 5)]
            answers = [await each for each in (running, *waiting)]
            return [np.frombuffer(each.raw_output_contents[0], np.int64)[0] for each in answers]

    assert asyncio.run(run()) == [long, 4, 5]
