"""Answers requests that have tensors in shared memory. These count against the same limits as messages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult
from serving.dataplane.shared_memory import SharedMemory
from serving.flow_control.byte_budget import ByteBudget
from serving.services.open_inference import request_parameters, tensor_messages

AT_ONCE = 256 << 10
"""Bytes that are copied on the event loop. More are copied on a thread, so that other requests are not delayed."""

Made = TypeVar("Made")


class SharedMemoryTensors:
    """Reads inputs from shared memory, and writes outputs there.

    Args:
        memory: The regions.
        requests: The budget for requests that are being answered. Inputs from shared memory count against it.
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
        """Answer a request, whether or not its tensors are in shared memory.

        Args:
            request: The request.
            deadline: When the client stops waiting.
            infer: Runs the model, with the request's id for the log.

        Raises:
            ServingError: A tensor cannot be read or written, the tensors together are too large, or the model failed.
        """
        inputs, outputs = (
            request_parameters.locations(request.inputs),
            request_parameters.locations(request.outputs),
        )
        if not (inputs or outputs):
            # Nearly all requests.
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
    """Call a function that copies ``size`` bytes, on a thread if they are many."""
    return function(*arguments) if size <= AT_ONCE else await asyncio.to_thread(function, *arguments)
