# ruff: noqa: N802  the protocol names the methods
"""The shared memory methods of ``inference.GRPCInferenceService``: system memory; CUDA memory is refused."""

from typing import NoReturn

from protos import open_inference_pb2 as pb
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import UnsupportedError


class SharedMemoryService:
    """The regions of shared memory that requests may use.

    Args:
        memory: Keeps the regions.
    """

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory

    async def SystemSharedMemoryStatus(
        self, request: pb.SystemSharedMemoryStatusRequest, _deadline: float | None
    ) -> pb.SystemSharedMemoryStatusResponse:
        """The registered regions, or one."""
        response = pb.SystemSharedMemoryStatusResponse()
        for each in self._memory.status(request.name):
            region = response.regions[each.name]
            region.name, region.key, region.offset, region.byte_size = (
                each.name,
                each.key,
                each.offset,
                each.size,
            )
        return response

    async def SystemSharedMemoryRegister(
        self, request: pb.SystemSharedMemoryRegisterRequest, _deadline: float | None
    ) -> pb.SystemSharedMemoryRegisterResponse:
        """Register a region."""
        self._memory.register(request.name, request.key, request.offset, request.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    async def SystemSharedMemoryUnregister(
        self, request: pb.SystemSharedMemoryUnregisterRequest, _deadline: float | None
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        """Unregister a region, or all."""
        self._memory.unregister(request.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    async def CudaSharedMemoryStatus(
        self, _request: pb.CudaSharedMemoryStatusRequest, _deadline: float | None
    ) -> NoReturn:
        """Refused."""
        _refuse("CudaSharedMemoryStatus")

    async def CudaSharedMemoryRegister(
        self, _request: pb.CudaSharedMemoryRegisterRequest, _deadline: float | None
    ) -> NoReturn:
        """Refused."""
        _refuse("CudaSharedMemoryRegister")

    async def CudaSharedMemoryUnregister(
        self, request: pb.CudaSharedMemoryUnregisterRequest, _deadline: float | None
    ) -> pb.CudaSharedMemoryUnregisterResponse:
        """Unregister all regions, of which there are none, as clients do at the start. A named region is refused."""
        if request.name:
            _refuse("CudaSharedMemoryUnregister")
        return pb.CudaSharedMemoryUnregisterResponse()


def _refuse(method: str) -> NoReturn:
    raise UnsupportedError(
        f"this server does not do {method}: it runs models on the CPU; use the host's shared memory, "
        "or send the tensors"
    )
