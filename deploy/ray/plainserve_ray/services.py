# ruff: noqa: N802  the protocols name the methods
"""The methods that a replica answers differently from a server of its own."""

from typing import Any, NoReturn

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from protos import open_inference_pb2 as pb
from serving import __version__
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.messages import ServerMetadata
from serving.errors import ModelNotFoundError, UnsupportedError
from serving.services.method_handlers import Method
from serving.services.open_inference import inference_service, tensor_messages
from serving.services.tensorflow_serving import model_service, prediction_service

EXTENSIONS = ("classification", "schedule_policy", "model_configuration")
"""The extensions of the protocol that a cluster has."""

ONE_SERVER = frozenset(
    {
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryStatus",
        "CudaSharedMemoryUnregister",
        "HandleReloadConfigRequest",
        "LogSettings",
        "ModelStatistics",
        "RepositoryModelLoad",
        "RepositoryModelUnload",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryUnregister",
        "TraceSetting",
    }
)
"""Methods that read or change one server; in a cluster, each call may reach another replica."""

_SERVER_NAMES = frozenset(
    {
        "",
        inference_service.SERVICE.full_name,
        prediction_service.SERVICE.full_name,
        model_service.SERVICE.full_name,
    }
)


class ClusterService:
    """The metadata and the health of the cluster as one server.

    Args:
        plane: The dataplane of this replica.
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def ServerMetadata(
        self, _request: pb.ServerMetadataRequest, _deadline: float | None
    ) -> pb.ServerMetadataResponse:
        """The metadata of the cluster."""
        return tensor_messages.from_server_metadata(ServerMetadata("plainserve", __version__, EXTENSIONS))

    async def Check(self, request: Any, _deadline: float | None) -> Any:  # noqa: ANN401  grpcio-health-checking ships no types
        """Whether the server, a service or a model can answer; NOT_FOUND if there is none of that name."""
        name = request.service
        plane = self._plane
        if name in _SERVER_NAMES:
            ready = plane.server_ready()
        elif plane.knows(name):
            ready = plane.model_ready(name, "")
        else:
            raise ModelNotFoundError(
                f"there is no service or model '{name}'; leave the name empty for the server"
            )
        kinds = health_pb2.HealthCheckResponse
        return kinds(status=kinds.SERVING if ready else kinds.NOT_SERVING)


def refuse(name: str) -> Method:
    """A method that is refused, with the reason."""
    text = f"{name} concerns one server, and behind this address there are many replicas"

    async def refused(_request: Message, _deadline: float | None) -> NoReturn:
        raise UnsupportedError(text)

    return refused
