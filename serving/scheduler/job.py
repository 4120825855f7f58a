"""A job: one request, decoded, with its results or its error once it ran."""

from time import monotonic
from typing import TYPE_CHECKING

from serving.errors import DeadlineExceededError, ServingError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Mapping

    from serving.repository.statistics import Run
    from serving.runtimes.runtime import Array


class Job:
    """One request, checked and ready to run.

    Attributes:
        inputs: An array for every input of the model.
        outputs: The outputs that are wanted.
        rows: How many rows of the batch it takes.
        key: Jobs with equal keys may share a batch: all their sizes but the first are equal.
        deadline: When the client stops waiting, on the clock of :func:`time.monotonic`; None for never.
        priority: How urgent it is, 1 being the most; 0 if the request does not say.
        timeout: Seconds that it may wait by its request; 0 if the request does not say.
        arrived: When it was queued, on the same clock; 0.0 if it never was.
        waited: Seconds that it waited.
        results: An array for each wanted output, once it ran.
        run: The run that it was part of, once it ran.
        error: Why there are no results.
        done: A future that the caller sets; done once there are results or an error.
    """

    __slots__ = (
        "arrived",
        "deadline",
        "done",
        "error",
        "inputs",
        "key",
        "outputs",
        "priority",
        "results",
        "rows",
        "run",
        "timeout",
        "waited",
    )

    def __init__(
        self,
        inputs: "Mapping[str, Array]",
        outputs: tuple[str, ...],
        rows: int = 1,
        key: tuple[tuple[int, ...], ...] = (),
        deadline: float | None = None,
        priority: int = 0,
        timeout: float = 0.0,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.rows = rows
        self.key = key
        self.deadline = deadline
        self.priority = priority
        self.timeout = timeout
        self.arrived = 0.0
        self.waited = 0.0
        self.results: list[Array] | None = None
        self.run: Run | None = None
        self.error: ServingError | None = None
        self.done: Future[None] | None = None

    def expired(self) -> bool:
        """Whether the deadline has passed; sets the error if so."""
        if self.deadline is None or monotonic() < self.deadline:
            return False
        self.error = DeadlineExceededError("the deadline passed before the model ran; allow more time")
        return True

    def answer(self) -> "list[Array]":
        """The results.

        Raises:
            ServingError: There are none.
        """
        if self.error is not None:
            raise self.error
        assert self.results is not None  # noqa: S101  a job that is done has one or the other
        return self.results
