"""Batches of calls that the native front end has formed."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from serving.transport.native import _frontend
from serving.transport.status_code import Status
from serving.transport.transport import Batch

if TYPE_CHECKING:
    from typing_extensions import Buffer


class NativeBatch(Batch):
    """The calls of a batch.

    Args:
        batch: The front end's batch.
        begin: Leads a call to the handler of its method.
    """

    def __init__(self, batch: _frontend.Batch, begin: Callable[[_frontend.Call], None]) -> None:
        self._batch = batch
        self._begin = begin
        self.template = batch.template
        self.deadline = batch.deadline

    def __len__(self) -> int:
        """The number of calls."""
        return len(self._batch)

    def payload(self, at: int) -> memoryview:
        """One payload of all messages, side by side."""
        return self._batch.payload(at)

    def answer(self, prefixes: Sequence[bytes], rows: "Sequence[Buffer]", optional_at: int = 0) -> None:
        """Answer all calls."""
        self._batch.answer(prefixes, rows, optional_at)

    def refuse(self, status: Status) -> None:
        """End all calls with a status other than OK."""
        self._batch.refuse(status.code, status.text, status.trailers)

    def split(self) -> None:
        """Lead each call to the handler of its method."""
        for call in self._batch.split():
            self._begin(call)
