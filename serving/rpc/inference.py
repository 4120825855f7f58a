# ruff: noqa: N802  the protocol names the methods
"""``inference.GRPCInferenceService``: each method translates, calls the dataplane, and translates back."""

from protos import open_inference_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.rpc import translate

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]


class InferenceService:
    """The Open Inference Protocol. A method that is not here is answered UNIMPLEMENTED.

    Args:
        plane: What the server does.
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def ServerLive(
        self, _request: pb.ServerLiveRequest, _deadline: float | None
    ) -> pb.ServerLiveResponse:
        """Whether the process answers at all."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(
        self, _request: pb.ServerReadyRequest, _deadline: float | None
    ) -> pb.ServerReadyResponse:
        """Whether requests are taken."""
        return pb.ServerReadyResponse(ready=self._plane.server_ready())

    async def ModelReady(
        self, request: pb.ModelReadyRequest, _deadline: float | None
    ) -> pb.ModelReadyResponse:
        """Whether a model can answer."""
        return pb.ModelReadyResponse(ready=self._plane.model_ready(request.name, request.version))

    async def ServerMetadata(
        self, _request: pb.ServerMetadataRequest, _deadline: float | None
    ) -> pb.ServerMetadataResponse:
        """What the server is."""
        return translate.from_server_metadata(self._plane.server_metadata())

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, _deadline: float | None
    ) -> pb.ModelMetadataResponse:
        """What a model takes and returns."""
        return translate.from_model_metadata(self._plane.model_metadata(request.name, request.version))

    async def ModelInfer(
        self, request: pb.ModelInferRequest, deadline: float | None
    ) -> pb.ModelInferResponse:
        """Run a model."""
        result = await self._plane.infer(translate.to_infer_request(request, deadline))
        return translate.from_infer_result(result, request.id)
