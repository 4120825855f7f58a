"""Every method that the server answers has a right assigned."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from protos import open_inference_pb2, tensorflow_serving_pb2
from protos.pool import POOL
from serving.access.rights import NEEDED, Right, needed
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals
from serving.services import reflection
from serving.services.tensorflow_serving import session_service
from serving.transport.grpcio.transport import GrpcioTransport

PROBES = {
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
}

CHANGING = ("Load", "Unload", "Register", "Unregister", "Reload", "Setting", "Create", "Update", "Delete")
"""What the names of methods contain that change something."""


def served(repository):
    """The names of the services of a real server, by the methods that its transport is told."""
    told = []

    class Recorder(GrpcioTransport):
        def serve(self, methods, *others):
            told.extend(methods)
            super().serve(methods, *others)

    async def make():
        server = Server(ServerOptions(repository, lame_duck_seconds=0), transport=Recorder)
        signals = Signals()
        signals.now.set()
        await server.stop(signals)

    asyncio.run(make())
    return {path.split("/")[1] for path in told}


def methods(service):
    if session_service.PATH.startswith(f"/{service}/"):
        return {session_service.PATH}  # its messages are not among our contracts
    return {f"/{service}/{each.name}" for each in POOL.FindServiceByName(service).methods}


def test_every_method_of_every_service_has_a_right_and_no_other_has(good_repository):
    services = served(good_repository)
    assert {"inference.GRPCInferenceService", *reflection.SERVICES} < services
    assert {method for service in services for method in methods(service)} | PROBES == set(NEEDED)


def test_every_service_of_our_contracts_is_in_the_table():
    files = (open_inference_pb2, tensorflow_serving_pb2, health_pb2, reflection_pb2)
    ours = {each.full_name for file in files for each in file.DESCRIPTOR.services_by_name.values()}
    assert ours <= {name.split("/")[1] for name in NEEDED}


def test_only_probes_need_no_right():
    assert {name for name, right in NEEDED.items() if right is Right.NONE} == PROBES


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_whatever_changes_something_needs_administration_and_nothing_else_does(name):
    changes = any(part in name.rpartition("/")[2] for part in CHANGING)
    assert (NEEDED[name] is Right.ADMINISTRATION) == changes


@pytest.mark.parametrize(
    "name", ["", "/", "/x/y", "/inference.GRPCInferenceService/modelinfer", "ModelInfer"]
)
def test_a_method_that_is_not_there_needs_the_highest(name):
    assert needed(name) is Right.ADMINISTRATION
