# ruff: noqa: N802  the protocol names the methods
"""The core of ``inference.GRPCInferenceService``: what the server is, and what its models answer.

Each method translates, calls the dataplane, and translates back.
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
from serving.services.error_to_status import described
from serving.services.message_parser import MessageParser
from serving.services.open_inference import tensor_messages
from serving.services.open_inference.request_templates import Repeats
from serving.services.open_inference.shared_memory_tensors import SharedTensors
from serving.services.request_log import log, logged

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]

AHEAD = 128
"""Most requests of one stream that are answered at the same time; the next wait in the client."""


class InferenceService:
    """Health, metadata and inference.

    Args:
        plane: What the server does.
        memory: Tensors that clients share with it.
        requests: Counts the bytes of those that are being answered.
    """

    def __init__(self, plane: DataPlane, memory: SharedMemory, requests: ByteBudget) -> None:
        self._plane = plane
        self._shared = SharedTensors(memory, requests)
        self._repeats = Repeats()
        self._parse = MessageParser(pb.ModelInferRequest).parse

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
        return tensor_messages.from_server_metadata(self._plane.server_metadata())

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, _deadline: float | None
    ) -> pb.ModelMetadataResponse:
        """What a model takes and returns."""
        return tensor_messages.from_model_metadata(self._plane.model_metadata(request.name, request.version))

    async def ModelInfer(
        self, request: pb.ModelInferRequest, deadline: float | None
    ) -> pb.ModelInferResponse:
        """Run a model."""
        return await self._shared.answer(request, deadline, self._infer)

    async def ModelInferWire(self, data: bytes, deadline: float | None) -> bytes:
        """Run a model, from bytes to bytes: what was said before is not parsed again."""
        repeat = self._repeats.find(data)
        if repeat is not None:
            return repeat.answer(await self._infer(repeat.asked(data, deadline)))
        message = await self._parse(data)
        answer = await self.ModelInfer(message, deadline)
        self._repeats.learn(data, message)
        return answer.SerializeToString()

    def _infer(self, asked: InferRequest, request_id: str = "") -> Awaitable[InferResult]:
        if log.isEnabledFor(logging.INFO):
            return logged(self._plane.infer, asked, request_id)
        return self._plane.infer(asked)

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest | ServingError], deadline: float | None
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """Run a model for each message. Answers come in the order of the requests; an error is one of them.

        Requests that follow each other closely are answered at the same time, so that they can share a run.
        """
        answers: asyncio.Queue[asyncio.Task[pb.ModelStreamInferResponse] | None] = asyncio.Queue()
        room = asyncio.Semaphore(AHEAD)

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
            # Refused before it was read: nobody knows its id.
            return pb.ModelStreamInferResponse(
                error_message=described(request)[1], infer_response=pb.ModelInferResponse()
            )
        try:
            response = await self.ModelInfer(request, deadline)
        except Exception as error:  # noqa: BLE001  the table of status codes tells what a client may read of it
            _, text, _ = described(error)
            failed = pb.ModelInferResponse(
                model_name=request.model_name, model_version=request.model_version, id=request.id
            )
            return pb.ModelStreamInferResponse(error_message=text, infer_response=failed)
        # Every request has one answer here; clients that wait for an end of answers are told that this is it.
        response.parameters["triton_final_response"].bool_param = True
        return pb.ModelStreamInferResponse(infer_response=response)
