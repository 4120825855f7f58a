"""Several processes behind one port: what one of them must not do alone.

Clients do not see which process answers them. What changes a server is therefore done by all, in one order, and
what is counted is counted together. Everything else a process answers by itself.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf.message import Message

from serving.repository.statistics import Statistics
from serving.services.method_handlers import MessageMethod

_SERVICE = "/inference.GRPCInferenceService"

ADMINISTRATIVE = frozenset(
    {
        f"{_SERVICE}/RepositoryModelLoad",
        f"{_SERVICE}/RepositoryModelUnload",
        f"{_SERVICE}/SystemSharedMemoryRegister",
        f"{_SERVICE}/SystemSharedMemoryUnregister",
        f"{_SERVICE}/LogSettings",
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest",
    }
)
"""The methods that change a server. TraceSetting and those for the memory of GPUs change nothing here."""


class WorkerGroup(Protocol):
    """The processes that serve together, as one of them sees them."""

    async def administer(self, method: str, request: bytes) -> bytes:
        """Have a method done by every process.

        Args:
            method: Its full name, ``/service/method``.
            request: The message it takes.

        Returns:
            The message that one of them answers.

        Raises:
            ServingError: What one of them raised, or there is nobody to ask.
        """

    async def statistics(self) -> Mapping[tuple[str, str], Statistics]:
        """What the processes have counted together, by model and version."""


def forwarded(method: str, response_type: type[Any], group: WorkerGroup) -> MessageMethod:
    """A method that has every process do what the method of that name does."""

    async def forward(request: Message, _deadline: float | None) -> Message:
        data = await group.administer(method, request.SerializeToString())
        answer: Message = response_type.FromString(data)
        return answer

    return forward
