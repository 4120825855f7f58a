import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from patience import PATIENCE

from serving.flow_control.flow_control import FlowControl
from serving.services.health import HealthService
from serving.transport.limits import Limits

SERVING, NOT_SERVING, UNKNOWN = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
)


class Plane:
    def __init__(self):
        self.ready = {"good": True, "bad": False}
        self.up = True

    def server_ready(self):
        return self.up

    def knows(self, name):
        return name in self.ready

    def model_ready(self, name, _version):
        return self.up and self.ready[name]


@pytest.fixture
def with_stub(frontend):
    return lambda use: run_with_stub(use, frontend)


def run_with_stub(use, frontend):
    """Run ``use(stub, plane, service)`` against a health service behind a real port."""

    async def run():
        plane = Plane()
        service = HealthService(plane, ["inference.GRPCInferenceService"])
        transport = frontend.make(Limits(1 << 20))
        transport.serve(service.methods(FlowControl(1 << 20)), lambda *_: None)
        port = await transport.start("127.0.0.1", 0)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await asyncio.wait_for(
                    use(health_pb2_grpc.HealthStub(channel), plane, service), PATIENCE
                )
        finally:
            await transport.close()

    return asyncio.run(run())


def asked(name):
    return health_pb2.HealthCheckRequest(service=name)


def test_the_health_service_itself_serves_whatever_the_models_do(with_stub):
    async def use(stub, plane, service):
        plane.up = False
        service.changed(stopping=True)
        names = ("grpc.health.v1.Health", "", "inference.GRPCInferenceService")
        return [(await stub.Check(asked(name))).status for name in names]

    assert with_stub(use) == [SERVING, NOT_SERVING, NOT_SERVING]


@pytest.mark.parametrize(
    ("name", "status"),
    [("", SERVING), ("inference.GRPCInferenceService", SERVING), ("good", SERVING), ("bad", NOT_SERVING)],
)
def test_the_server_its_services_and_its_models_have_a_status(name, status, with_stub):
    assert with_stub(lambda stub, *_: stub.Check(asked(name))).status == status


def test_an_unknown_name_is_not_found_and_says_what_to_do(with_stub):
    async def check(stub, *_):
        with pytest.raises(
            grpc.aio.AioRpcError, match="no service or model 'none'; leave the name empty"
        ) as error:
            await stub.Check(asked("none"))
        assert error.value.code() is grpc.StatusCode.NOT_FOUND

    with_stub(check)


def test_a_watcher_hears_of_each_change_once(with_stub):
    async def watch(stub, plane, service):
        call = stub.Watch(asked("bad"))
        heard = [(await call.read()).status]
        service.changed()
        plane.ready["bad"] = True
        service.changed()
        heard.append((await call.read()).status)
        del plane.ready["bad"]
        service.changed()
        heard.append((await call.read()).status)
        return heard

    assert with_stub(watch) == [NOT_SERVING, SERVING, UNKNOWN]


def test_a_watcher_that_leaves_does_not_silence_the_others(with_stub):
    async def watch(stub, plane, service):
        leaving, staying = stub.Watch(asked("")), stub.Watch(asked(""))
        assert (await leaving.read()).status == (await staying.read()).status == SERVING
        leaving.cancel()
        await asyncio.sleep(0.05)
        plane.up = False
        service.changed()
        return (await staying.read()).status

    assert with_stub(watch) == NOT_SERVING


def test_watchers_hear_of_the_end_and_do_not_hold_it_up(with_stub):
    async def watch(stub, plane, service):
        call = stub.Watch(asked("good"))
        assert (await call.read()).status == SERVING
        # Begun before, because grpc.aio gives no message to who reads once it has the status.
        reading = asyncio.create_task(call.read())
        await asyncio.sleep(0)
        plane.up = False
        service.changed(stopping=True)
        return (await reading).status, await call.read() is grpc.aio.EOF

    assert with_stub(watch) == (NOT_SERVING, True)
