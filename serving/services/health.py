"""``grpc.health.v1.Health``: of the server (the empty name), of each service, of each model by its name.

The health service itself serves as long as the process answers: that is what a liveness probe is to ask for, for
a server whose models cannot answer gets no better by being restarted.

grpcio-health-checking brings the messages. Its servicer is not used: a watcher that leaves it silences
the others, and watchers keep a server from stopping.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.dataplane.dataplane import DataPlane
from serving.services.error_text import presentable

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]
Status = health_pb2.HealthCheckResponse

Message: TypeAlias = Any  # grpcio-health-checking ships no types
Context: TypeAlias = "grpc.aio.ServicerContext[Message, Message]"


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpcio-health-checking ships no types
    """Tells who asks, once or whenever it changes, whether the server or a model can answer.

    Args:
        plane: What knows.
        services: The names of the services on this server.
    """

    def __init__(self, plane: DataPlane, services: Sequence[str]) -> None:
        self._plane = plane
        self._services = {"", *services}
        self._changed = asyncio.Event()
        self._stopping = False

    def changed(self, *, stopping: bool = False) -> None:
        """Tell the watchers to look again; when the server is stopping, for the last time."""
        self._stopping |= stopping
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: Message, context: Context) -> Message:  # noqa: N802  the protocol names it
        """How it stands now."""
        status = self._status(request.service)
        if status == Status.SERVICE_UNKNOWN:
            text = f"there is no service or model '{request.service}'; leave the name empty for the server"
            await context.abort(grpc.StatusCode.NOT_FOUND, presentable(text))
        return Status(status=status)

    async def Watch(self, request: Message, context: Context) -> None:  # noqa: N802  the protocol names it
        """How it stands now, and again whenever that changes."""
        last = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                await context.write(Status(status=status))
                last = status
            if self._stopping:
                return
            await changed.wait()

    def _status(self, name: str) -> int:
        if name == SERVICE.full_name:
            return int(Status.SERVING)
        if name in self._services:
            ready = self._plane.server_ready()
        elif self._plane.knows(name):
            ready = self._plane.model_ready(name, "")
        else:
            return int(Status.SERVICE_UNKNOWN)
        return int(Status.SERVING if ready else Status.NOT_SERVING)
