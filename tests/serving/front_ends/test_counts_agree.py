"""Statistics and metrics count the same after the same requests, in batches or not."""

import asyncio

import numpy as np
import pytest
from counts import counts, more, rows_and_runs
from infer_requests import METHOD, affine, infer_requests
from other_requests import describing_requests, example_requests, predict_requests
from outcomes import Client, Request, shuffled

from protos import open_inference_pb2 as pb

pytestmark = pytest.mark.slow

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def counted_on(both, name, use):
    """What a server counts while it is used."""
    server, metrics = both.servers[name], both.metrics[name]

    async def run():
        async with Client(server.address, 4) as client:
            return await use(client)

    before = counts(server.address, metrics)
    found = asyncio.run(run())
    return more(counts(server.address, metrics), before), found


def test_requests_failures_and_rows_are_counted_alike(both):
    groups = (infer_requests, predict_requests, example_requests, describing_requests)
    requests = {f"{make.__name__} {name}": each for make in groups for name, each in make().items()}
    names = shuffled(requests, 5)
    messages = [each.data for each in infer_requests().values()]

    async def use(client):
        await client.ask_all([requests[name] for name in names])
        await client.stream(STREAM, messages)

    found = {name: counted_on(both, name, use)[0] for name in both.servers}
    assert found["native"] == found["grpcio"]
    assert len(found["native"]) > 50


def test_requests_that_repeat_share_runs_and_each_gets_its_own_answer(both):
    numbers = [(at, at / 7, -at) for at in range(400)]
    requests = [
        Request(METHOD, affine(*x, id=str(at)[: at % 3]).SerializeToString()) for at, x in enumerate(numbers)
    ]
    address = both.servers["native"].address

    async def use(client):
        return await client.ask_all(requests)

    rows, runs = rows_and_runs(address, "affine")
    answers = {}
    for name in both.servers:
        answers[name] = counted_on(both, name, use)[1]
    assert answers["native"] == answers["grpcio"]
    for x, outcome in zip(numbers, answers["native"], strict=True):
        response = pb.ModelInferResponse.FromString(outcome.answers[0])
        assert np.frombuffer(response.raw_output_contents[0], np.float32).tolist() == [
            float(np.float32(each) * 2 + 1) for each in np.float32(x)
        ]
    more_rows, more_runs = rows_and_runs(address, "affine")
    assert more_rows - rows == len(numbers)
    assert more_runs - runs < 0.8 * len(numbers)


def test_a_model_whose_rows_depend_on_each_other_runs_each_request_alone(both):
    numbers = [np.float32([[at, 1, 2], [0.1, at / 3, at]]) for at in range(200)]
    requests = []
    for x in numbers:
        made = affine(model="coupled", rows=2)
        made.raw_input_contents[0] = x.tobytes()
        requests.append(Request(METHOD, made.SerializeToString()))

    async def use(client):
        return await client.ask_all(requests)

    for name, server in both.servers.items():
        rows, runs = rows_and_runs(server.address, "coupled")
        _, answers = counted_on(both, name, use)
        assert rows_and_runs(server.address, "coupled") == (rows + 2 * len(numbers), runs + len(numbers))
        for x, outcome in zip(numbers, answers, strict=True):
            response = pb.ModelInferResponse.FromString(outcome.answers[0])
            assert response.raw_output_contents[0] == np.cumsum(x, 0, np.float32).tobytes()


def test_expired_and_cancelled_calls_are_counted_alike(both, count_to, steps_lasting):
    long = Request(METHOD, count_to(steps_lasting(0.6)).SerializeToString())

    async def use(client):
        for _ in range(2):
            await client.ask(long, 0.05)
            await client.cancelled(long, 0.05)
        # The server hears of it later than the client.
        await asyncio.sleep(0.5)

    found = {name: counted_on(both, name, use)[0] for name in both.servers}
    assert found["native"] == found["grpcio"]
