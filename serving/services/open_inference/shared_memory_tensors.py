"""Requests that have tensors in shared memory: these are as large as messages may be, and counted as they are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.flow_control.byte_budget import ByteBudget
from serving.services.open_inference import parameters, tensor_messages

AT_ONCE = 256 << 10
"""Bytes that are copied on the event loop. More are copied on a thread, and others are answered meanwhile."""

Made = TypeVar("Made")


class SharedTensors:
    """Fetches inputs from shared memory, and puts outputs there.

    Args:
        memory: The regions.
        requests: The bytes of requests that are being answered; inputs from shared memory are counted there.
    """

    def __init__(self, memory: SharedMemory, requests: ByteBudget) -> None:
        self._memory = memory
        self._requests = requests

    async def answer(
        self,
        request: pb.ModelInferRequest,
        deadline: float | None,
        infer: Callable[[InferRequest, str], Awaitable[InferResult]],
    ) -> pb.ModelInferResponse:
        """Answer a request, wherever its tensors lie.

        Args:
            request: The request.
            deadline: When its sender stops waiting.
            infer: Runs the model, with the request's id for the log.

        Raises:
            ServingError: A tensor cannot be read or written, all together are too large, or the model failed.
        """
        inputs, outputs = parameters.places(request.inputs), parameters.places(request.outputs)
        if not (inputs or outputs):
            # Nearly every request.
            asked = tensor_messages.to_infer_request(request, deadline, self._memory)
            return tensor_messages.from_infer_result(await infer(asked, request.id), request, self._memory)
        size = sum(each.size for each in inputs)
        self._memory.check_size(size)
        for each in (*inputs, *outputs):
            self._memory.within(each.region, each.offset, each.size)
        with self._requests.holding(size):
            asked = await _copying(size, tensor_messages.to_infer_request, request, deadline, self._memory)
            result = await infer(asked, request.id)
            size = sum(array.nbytes for array in result.arrays) if outputs else 0
            return await _copying(size, tensor_messages.from_infer_result, result, request, self._memory)


async def _copying(size: int, function: Callable[..., Made], *arguments: object) -> Made:
    """Call a function that copies so many bytes."""
    return function(*arguments) if size <= AT_ONCE else await asyncio.to_thread(function, *arguments)
