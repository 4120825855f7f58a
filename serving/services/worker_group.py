"""Defines what several worker processes on one port must do together.

Clients do not see which process answers them. So methods that change the server are executed by all processes, in
the same order, and statistics are summed. Each process answers everything else by itself.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf.message import Message

from serving.repository.statistics import Statistics
from serving.services.method_handlers import MessageMethod

_SERVICE = "/inference.GRPCInferenceService"

ADMINISTRATIVE_METHODS = frozenset(
    {
        f"{_SERVICE}/RepositoryModelLoad",
        f"{_SERVICE}/RepositoryModelUnload",
        f"{_SERVICE}/SystemSharedMemoryRegister",
        f"{_SERVICE}/SystemSharedMemoryUnregister",
        f"{_SERVICE}/LogSettings",
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
    }
)
"""The methods that change a server. TraceSetting and the methods for CUDA shared memory change nothing here."""


class WorkerGroup(Protocol):
    """The processes that serve together, as seen by one of them."""

    async def administer(self, method: str, request: bytes) -> bytes:
        """Have every process execute a method.

        Args:
            method: Its full name, ``/service/method``.
            request: The serialised request.

        Returns:
            The serialised response of one of them.

        Raises:
            ServingError: What one of them raised, or no process could be reached.
        """

    async def statistics(self) -> Mapping[tuple[str, str], Statistics]:
        """The statistics of all processes, summed, by model and version."""


def forward_to_group(method: str, response_type: type[Any], group: WorkerGroup) -> MessageMethod:
    """A method that has every process execute the method of that name."""

    async def forward(request: Message, _deadline: float | None) -> Message:
        data = await group.administer(method, request.SerializeToString())
        answer: Message = response_type.FromString(data)
        return answer

    return forward
