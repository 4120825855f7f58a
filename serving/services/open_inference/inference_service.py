# ruff: noqa: N802  the protocol names the methods
"""The core of ``inference.GRPCInferenceService``: health, metadata and inference.

Each method converts the request, calls the dataplane, and converts the answer.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable

from protos import open_inference_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.messages import InferRequest, InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import ServingError
from serving.flow_control.byte_budget import ByteBudget
from serving.flow_control.flow_control import FlowControl
from serving.services.error_to_status import status_of
from serving.services.message_parser import MessageParser
from serving.services.open_inference import infer_template, tensor_messages
from serving.services.open_inference.shared_memory_tensors import SharedMemoryTensors
from serving.services.request_log import log, logged
from serving.services.request_template import RequestTemplate
from serving.services.request_templates import RequestTemplates
from serving.services.template_batches import TemplateBatches

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]

MAX_CONCURRENT = 128
"""The most requests of one stream that are answered concurrently; further ones are not read yet."""


class InferenceService:
    """Health, metadata and inference.

    Args:
        plane: The dataplane.
        memory: Shared memory, which may hold tensors.
        requests: The budget for requests that are being answered.
    """

    def __init__(self, plane: DataPlane, memory: SharedMemory, requests: ByteBudget) -> None:
        self._plane = plane
        self._shared = SharedMemoryTensors(memory, requests)
        self._memory = memory
        self._templates = RequestTemplates(infer_template.make_template, infer_template.id_range)
        self._parse = MessageParser(pb.ModelInferRequest).parse

    async def ServerLive(
        self, _request: pb.ServerLiveRequest, _deadline: float | None
    ) -> pb.ServerLiveResponse:
        """Whether the process answers; always true."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(
        self, _request: pb.ServerReadyRequest, _deadline: float | None
    ) -> pb.ServerReadyResponse:
        """Whether the server accepts requests."""
        return pb.ServerReadyResponse(ready=self._plane.server_ready())

    async def ModelReady(
        self, request: pb.ModelReadyRequest, _deadline: float | None
    ) -> pb.ModelReadyResponse:
        """Whether a model can answer."""
        return pb.ModelReadyResponse(ready=self._plane.model_ready(request.name, request.version))

    async def ServerMetadata(
        self, _request: pb.ServerMetadataRequest, _deadline: float | None
    ) -> pb.ServerMetadataResponse:
        """The name, version and extensions of the server."""
        return tensor_messages.from_server_metadata(self._plane.server_metadata())

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, _deadline: float | None
    ) -> pb.ModelMetadataResponse:
        """The inputs and outputs of a model."""
        return tensor_messages.from_model_metadata(self._plane.model_metadata(request.name, request.version))

    async def ModelInfer(
        self, request: pb.ModelInferRequest, deadline: float | None
    ) -> pb.ModelInferResponse:
        """Run a model."""
        return await self._shared.answer(request, deadline, self._infer)

    async def ModelInferWire(self, data: bytes, deadline: float | None) -> bytes:
        """Run a model, from bytes to bytes. A request that matches a template is not parsed."""
        found = self._templates.find(data)
        if found is None:
            message = await self._parse(data)
            response = await self.ModelInfer(message, deadline)
            self._templates.learn(data, message)
            return response.SerializeToString()
        template, id_field = found
        request = template.infer_request(data, len(id_field), deadline)
        request_id = infer_template.id_text(id_field) if id_field else ""
        return self._serialize(await self._infer(request, request_id), template, id_field, request_id)

    def ModelInferBatches(self, flow: FlowControl, name: str) -> TemplateBatches:
        """What runs a model for several requests at once.

        Args:
            flow: Counts the calls, and limits their bytes.
            name: The method's name in metrics.
        """
        return TemplateBatches(self._templates, self._plane, flow, name, _request, infer_template.lay_out)

    def _serialize(
        self, result: InferResult, template: RequestTemplate, id_field: bytes, request_id: str
    ) -> bytes:
        """The wire form of an answer to a request that matches a template."""
        data = template.serialize(result, infer_template.lay_out, id_field)
        if data is not None:
            return data
        request = pb.ModelInferRequest(id=request_id)
        return tensor_messages.from_infer_result(result, request, self._memory).SerializeToString()

    def _infer(self, request: InferRequest, request_id: str = "") -> Awaitable[InferResult]:
        if log.isEnabledFor(logging.INFO):
            return logged(self._plane.infer, request, request_id)
        return self._plane.infer(request)

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest | ServingError], deadline: float | None
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """Run a model for each request. Answers have the order of the requests; an error is an answer, too.

        Requests in quick succession are answered concurrently, so that they can share a batch.
        """
        answers: asyncio.Queue[asyncio.Task[pb.ModelStreamInferResponse] | None] = asyncio.Queue()
        room = asyncio.Semaphore(MAX_CONCURRENT)

        async def read() -> None:
            try:
                async for request in requests:
                    await room.acquire()
                    answers.put_nowait(asyncio.create_task(self._stream_answer(request, deadline)))
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (answer := await answers.get()) is not None:
                yield await answer
                room.release()
            await reader
        finally:
            reader.cancel()
            while not answers.empty():
                left = answers.get_nowait()
                if left is not None:
                    left.cancel()

    async def _stream_answer(
        self, request: pb.ModelInferRequest | ServingError, deadline: float | None
    ) -> pb.ModelStreamInferResponse:
        if isinstance(request, ServingError):
            # Refused before it was parsed, so its id is not known.
            return pb.ModelStreamInferResponse(
                error_message=status_of(request)[1], infer_response=pb.ModelInferResponse()
            )
        try:
            response = await self.ModelInfer(request, deadline)
        except Exception as error:  # noqa: BLE001  error_to_status decides what the client may see
            _, text, _ = status_of(error)
            failed = pb.ModelInferResponse(
                model_name=request.model_name, model_version=request.model_version, id=request.id
            )
            return pb.ModelStreamInferResponse(error_message=text, infer_response=failed)
        # Each request has one answer. Clients of decoupled models wait for this mark of the last one.
        response.parameters["triton_final_response"].bool_param = True
        return pb.ModelStreamInferResponse(infer_response=response)


def _request(template: RequestTemplate) -> InferRequest | None:
    """What the messages of a template say; None if each request is to be logged."""
    return None if log.isEnabledFor(logging.INFO) else template.request
