"""Both front ends answer the same requests with the same bytes, statuses, messages and metadata.

Requests are sent several times: the first ones teach the server a template, and later ones go in batches.
"""

import asyncio

import grpc
import pytest
from infer_requests import infer_requests, near_equals
from justified import without_justified
from other_requests import (
    changing_requests,
    describing_requests,
    example_requests,
    predict_requests,
    unknown_methods,
)
from outcomes import Client, repeated, shuffled

pytestmark = pytest.mark.slow

TIMES = 5

GROUPS = {
    "ModelInfer": infer_requests,
    "nearly equal": near_equals,
    "Predict": predict_requests,
    "TensorFlow Serving": example_requests,
    "descriptions": describing_requests,
    "unknown methods": unknown_methods,
}


def answered(both, requests, names):
    """Send requests by name, in turn and at the same time: what must be equal in each answer, by server and way."""

    async def outcomes(server):
        asked = [requests[each] for each in names]
        async with Client(server.address) as one, Client(server.address, 4) as several:
            ways = {
                "in turn": await one.ask_in_turn(asked),
                "on one connection": await one.ask_all(asked),
                "on several connections": await several.ask_all(asked),
            }
        return {way: list(map(without_justified, asked, found)) for way, found in ways.items()}

    return {name: asyncio.run(outcomes(server)) for name, server in both.servers.items()}


def differences(both, requests, names):
    """What differs from grpcio's last answers in turn, by request, server and way."""
    found = answered(both, requests, names)
    expected = dict(zip(names, found["grpcio"]["in turn"], strict=True))
    return {
        (each, server, way): (outcome, expected[each])
        for server, ways in found.items()
        for way, outcomes in ways.items()
        for each, outcome in zip(names, outcomes, strict=True)
        if outcome != expected[each]
    }


@pytest.mark.parametrize("order", [repeated, shuffled])
@pytest.mark.parametrize("group", GROUPS)
def test_answers_are_equal(both, group, order):
    requests = GROUPS[group]()
    assert differences(both, requests, order(requests, TIMES)) == {}


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_answers_to_compressed_requests_are_equal(both, how):
    requests = {name: each._replace(compression=how) for name, each in infer_requests().items()}
    assert differences(both, requests, repeated(requests, 2)) == {}


def test_models_are_loaded_and_unloaded_with_equal_answers(both):
    requests = changing_requests()

    async def change(server):
        async with Client(server.address) as client:
            return dict(zip(requests, await client.ask_in_turn(list(requests.values())), strict=True))

    found = {name: asyncio.run(change(server)) for name, server in both.servers.items()}
    assert found["native"] == found["grpcio"]
    assert found["grpcio"]["unload"].code == "OK"


def test_the_requests_are_of_every_kind(both):
    requests = {f"{group}: {name}": each for group, make in GROUPS.items() for name, each in make().items()}

    async def ask():
        async with Client(both.servers["grpcio"].address) as client:
            return await client.ask_in_turn(list(requests.values()))

    codes = [outcome.code for outcome in asyncio.run(ask())]
    refused = {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "PERMISSION_DENIED",
    }
    assert set(codes) == {"OK", *refused}
    assert codes.count("OK") > 80
    assert len({each.method for each in requests.values()}) > 25
