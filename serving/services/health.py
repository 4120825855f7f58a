"""``grpc.health.v1.Health``: of the server (the empty name), of each service, of each model by its name.

The health service itself serves as long as the process answers. A liveness probe is to ask for that: a server whose
models cannot answer gets no better by being restarted.

grpcio-health-checking brings the messages. Its servicer is not used: a watcher that leaves it silences the others,
and watchers keep a server from stopping.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

from grpc_health.v1 import health_pb2

from serving.dataplane.dataplane import DataPlane
from serving.errors import InvalidInputError, ModelNotFoundError
from serving.flow_control.flow_control import FlowControl
from serving.services.uncounted import uncounted_stream, uncounted_unary
from serving.transport.transport import Method

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"]
Status = health_pb2.HealthCheckResponse

Message: TypeAlias = Any  # grpcio-health-checking ships no types


class HealthService:
    """Tells clients, once or whenever it changes, whether the server or a model can answer.

    Args:
        plane: Knows the models.
        services: The names of the services on this server.
    """

    def __init__(self, plane: DataPlane, services: Sequence[str]) -> None:
        self._plane = plane
        self._services = {"", *services}
        self._changed = asyncio.Event()
        self._stopping = False

    def methods(self, flow: FlowControl) -> dict[str, Method]:
        """The methods by path.

        Args:
            flow: Unpacks requests.
        """
        request = health_pb2.HealthCheckRequest
        return {
            f"/{SERVICE.full_name}/Check": uncounted_unary(self.check, request, flow),
            f"/{SERVICE.full_name}/Watch": uncounted_stream(self.watch, request, flow),
        }

    def changed(self, *, stopping: bool = False) -> None:
        """Have the watchers look again; when the server is stopping, for the last time."""
        self._stopping |= stopping
        self._changed.set()
        self._changed = asyncio.Event()

    async def check(self, request: Message) -> Message:
        """The health now.

        Raises:
            ModelNotFoundError: There is no service or model of that name.
        """
        status = self._status(request.service)
        if status == Status.SERVICE_UNKNOWN:
            raise ModelNotFoundError(
                f"there is no service or model '{request.service}'; leave the name empty for the server"
            )
        return Status(status=status)

    async def watch(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """The health now, and again whenever it changes.

        Raises:
            InvalidInputError: There is no request.
        """
        request, last = await anext(requests, None), None
        if request is None:
            raise InvalidInputError("Watch takes one request and this call has none; send it")
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                yield Status(status=status)
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
