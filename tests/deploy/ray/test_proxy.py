"""What stands between clients and Ray's proxy, with a stand-in for Ray that answers as it is told."""

import asyncio
from collections import Counter

import grpc
import pytest
from patience import PATIENCE
from plainserve_ray.methods import routed
from plainserve_ray.proxy import FULL, LOST, Services, add_services
from plainserve_ray.services import ONE_SERVER

from serving.services.error_to_status import INTERNAL_TEXT, PUSHBACK

READY = "/inference.GRPCInferenceService/ServerReady"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


def call(handle, use, *, stream=False):
    """Put a handler where Ray puts its own, and let a client use the server that has it."""

    async def run():
        services = Services()
        name, kind = (STREAM, "stream_stream") if stream else (READY, "unary_unary")
        handlers = services._method_handlers
        handlers[name] = handlers[name]._replace(**{kind: handle})
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((services,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await use(channel)
        finally:
            await server.stop(None)

    return asyncio.run(run())


async def ready(channel):
    """The code, the text and the trailers of a call."""
    try:
        answer = channel.unary_unary(READY)(b"asked", timeout=PATIENCE)
        return await answer
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata())


def fails(code, text, trailers=()):
    async def handle(_sent, context):
        context.set_code(code)
        context.set_details(text)
        context.set_trailing_metadata(trailers)
        return b""

    return handle


def test_a_replica_is_sent_the_bytes_and_the_time_that_is_left():
    async def handle(sent, _context):
        return repr(sent).encode()

    data, remaining = eval(call(handle, ready))  # noqa: S307  our own repr
    assert data == b"asked"
    # gRPC rounds the time that it sends up, to three digits or so.
    assert PATIENCE / 2 < remaining < 1.05 * PATIENCE


def test_a_lost_replica_is_unavailable_and_nothing_of_the_cluster_is_told():
    found = call(fails(grpc.StatusCode.INTERNAL, "The actor died\n\tpid: 17\n\tip: 10.0.0.1"), ready)
    assert found == (grpc.StatusCode.UNAVAILABLE, LOST, {})


def test_a_fault_of_the_servers_own_stays_internal():
    found = call(fails(grpc.StatusCode.INTERNAL, INTERNAL_TEXT), ready)
    assert found[:2] == (grpc.StatusCode.INTERNAL, INTERNAL_TEXT)


def test_a_full_proxy_says_when_to_return():
    trailers = [("request_id", "1")]
    found = call(fails(grpc.StatusCode.RESOURCE_EXHAUSTED, "max_queued_requests=8", trailers), ready)
    assert found == (grpc.StatusCode.RESOURCE_EXHAUSTED, FULL, {"request_id": "1", PUSHBACK: "100"})


def test_a_full_replica_has_said_so_itself():
    found = call(fails(grpc.StatusCode.RESOURCE_EXHAUSTED, "3 wait", [(PUSHBACK, "7")]), ready)
    assert found == (grpc.StatusCode.RESOURCE_EXHAUSTED, "3 wait", {PUSHBACK: "7"})


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT])
def test_other_errors_pass_as_they_are(code):
    assert call(fails(code, "as it is"), ready)[:2] == (code, "as it is")


def test_a_stream_passes_answers_and_a_status_but_no_empty_answer():
    async def handle(requests, context):
        async for data, _ in requests:
            yield data.upper()
        context.set_code(grpc.StatusCode.INTERNAL)
        context.set_details("ray.exceptions.ActorDiedError")
        yield b""

    async def use(channel):
        answers = channel.stream_stream(STREAM)(iter([b"a", b"b"]))
        found = []
        try:
            async for each in answers:
                found.append(each)  # noqa: PERF401  what came before the error is kept
        except grpc.aio.AioRpcError as error:
            found.append((error.code(), error.details()))
        return found

    assert call(handle, use, stream=True) == [b"A", b"B", (grpc.StatusCode.UNAVAILABLE, LOST)]


def test_a_method_that_is_not_routed_is_unimplemented():
    async def use(channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/grpc.health.v1.Health/Watch")(b"")
        return caught.value.code()

    assert call(fails(grpc.StatusCode.OK, ""), use) is grpc.StatusCode.UNIMPLEMENTED


def test_ray_can_tell_all_methods_apart_by_their_last_part():
    names = Counter(each.name for each in routed())
    assert max(names.values()) == 1
    assert names.keys() >= {"ModelInfer", "ModelStreamInfer", "Predict", "GetModelStatus", "Check"}
    assert names.keys() > ONE_SERVER


def test_reflection_is_answered_by_the_proxy_itself():
    class Server:
        def __init__(self):
            self.passed, self.generic = [], []

        def add_passthrough_service(self, name):
            self.passed.append(name)

        def add_generic_rpc_handlers(self, handlers):
            self.generic.append(([*self.passed], handlers[0]))

        def add_registered_method_handlers(self, *_):
            pass

    server = Server()
    add_services(None, server)
    passed_before, first = server.generic[0]
    assert isinstance(first, Services)
    assert not passed_before
    assert server.passed == [
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    assert len(server.generic) == 3
