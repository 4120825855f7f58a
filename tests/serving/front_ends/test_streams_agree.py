"""Streams, deadlines and cancelled calls end in the same way on both front ends."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from infer_requests import METHOD, affine, infer_requests
from outcomes import Client, Request, shuffled

pytestmark = pytest.mark.slow

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"

MALFORMED = {"no protobuf", "a message cut off", "an id that is not UTF-8", "a model that is not UTF-8"}
"""Messages that end a stream."""


def without_text(outcome):
    """Client and server look at the same deadline; the text is of the one that is first."""
    return outcome._replace(text="") if outcome.code == "DEADLINE_EXCEEDED" else outcome


def on_each(both, use):
    """What comes of the same conversation with each server."""

    async def converse(server):
        async with Client(server.address, 2) as client:
            return await use(client)

    return {name: asyncio.run(converse(server)) for name, server in both.servers.items()}


def test_a_stream_of_all_requests_is_answered_in_order_with_errors_among_them(both):
    requests = {name: each for name, each in infer_requests().items() if name not in MALFORMED}
    messages = [requests[name].data for name in shuffled(requests, 5)]
    found = on_each(both, lambda client: client.stream(STREAM, messages))
    assert found["native"] == found["grpcio"]
    assert found["native"].code == "OK"
    assert len(found["native"].answers) == len(messages)


def test_streams_beside_each_other_are_answered_each_with_its_own(both):
    streams = [[affine(at, 0, 1, id=f"{at}-{k}").SerializeToString() for k in range(20)] for at in range(8)]

    async def use(client):
        return await asyncio.gather(*(client.stream(STREAM, messages) for messages in streams))

    found = on_each(both, use)
    assert found["native"] == found["grpcio"]
    assert all(len(outcome.answers) == 20 for outcome in found["native"])


@pytest.mark.parametrize("messages", [[], [b"\xff"], [b"\xff", b"", b"\xff"]])
def test_streams_of_nothing_and_of_nonsense(both, messages):
    found = on_each(both, lambda client: client.stream(STREAM, messages))
    assert found["native"] == found["grpcio"]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(both, version):
    kind = reflection_pb2.ServerReflectionRequest
    messages = [
        kind(list_services=""),
        kind(file_containing_symbol="inference.GRPCInferenceService"),
        kind(file_containing_symbol="tensorflow.serving.PredictionService.Predict"),
        kind(file_by_filename="none.proto"),
        kind(),
    ]
    path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    found = on_each(both, lambda client: client.stream(path, [each.SerializeToString() for each in messages]))
    assert found["native"] == found["grpcio"]
    assert len(found["native"].answers) == len(messages)


@pytest.mark.parametrize("service", ["", "affine", "none"])
def test_health_is_watched_until_the_deadline(both, service):
    asked = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    found = on_each(both, lambda client: client.stream("/grpc.health.v1.Health/Watch", [asked], 0.3))
    assert without_text(found["native"]) == without_text(found["grpcio"])
    assert (found["native"].code, len(found["native"].answers)) == ("DEADLINE_EXCEEDED", 1)


def test_a_method_with_one_request_that_is_sent_none(both):
    """gRPC's core waits for a request until the deadline; the native front end refuses the call."""
    found = on_each(both, lambda client: client.stream(METHOD, [], 1.0))
    assert (found["native"].code, found["grpcio"].code) == ("UNIMPLEMENTED", "DEADLINE_EXCEEDED")


def test_a_method_with_one_request_that_is_sent_two(both):
    """gRPC's core answers the first and does not look at the second; the native front end refuses the call."""
    messages = [affine().SerializeToString()] * 2
    found = on_each(both, lambda client: client.stream(METHOD, messages, 5.0))
    assert (found["grpcio"].code, len(found["grpcio"].answers)) == ("OK", 1)
    assert (found["native"].code, found["native"].answers) == ("UNIMPLEMENTED", ())


def test_deadlines_and_cancelled_calls(both, count_to, steps_lasting):
    long = Request(METHOD, count_to(steps_lasting(0.6)).SerializeToString())
    quick = Request(METHOD, affine().SerializeToString())

    async def use(client):
        expired = [await client.ask(each, 0.05) for each in (long, long)]
        gone = [await client.cancelled(long, 0.05) for _ in range(2)]
        stream = await client.stream(STREAM, [quick.data, long.data, quick.data], 0.3)
        return [*map(without_text, [*expired, *gone, stream, await client.ask(quick)])]

    found = on_each(both, use)
    assert found["native"] == found["grpcio"]
