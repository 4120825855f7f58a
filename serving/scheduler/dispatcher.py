"""Decides where a request runs: at once on the event loop, or later on a thread of its model."""

from collections.abc import Callable, Sequence
from time import monotonic

from serving.repository.loading.warmup import THREAD_HOP
from serving.repository.model import LoadedModel
from serving.scheduler import batch
from serving.scheduler.executor import ModelExecutor
from serving.scheduler.job import Job

MIN_GAIN = 50e-6
"""Seconds that a batch must save for each request before close requests are queued to form batches."""

INLINE_LIMIT = 20e-3
"""Seconds of an inline run that are too many: after one such run, no request of the model runs inline again.

The value is far above what a busy machine adds to a short run.
"""


class Dispatcher:
    """Dispatches the requests of one model.

    Args:
        model: The model.
        deliver: Called with jobs that are done, from another thread.
    """

    def __init__(self, model: LoadedModel, deliver: Callable[[Sequence[Job]], None]) -> None:
        self.model = model
        self._inline_rows = inline_rows(model)
        self._gap = worthwhile_gap(model)
        self._last = 0.0
        self._executor = ModelExecutor(model, deliver)

    def submit(self, job: Job) -> bool:
        """Run a job at once if it is short and nothing runs or waits, else queue it.

        Returns:
            Whether it is done.

        Raises:
            QueueFullError: Too many jobs wait already.
            StoppingError: The dispatcher is closed.
        """
        if job.rows > self._inline_rows or not self._executor.idle or (self._gap and self._crowded()):
            self._executor.add(job)
            return False
        if not job.expired():
            self.ran_inline(batch.run_alone(self.model, job).infer)
        elif self._gap:
            self._last = monotonic()
        return True

    def inline_room(self, *, alone: bool) -> int:
        """Most rows of a run that the caller may do now, on the event loop, in place of :meth:`submit`; 0 if none.

        Args:
            alone: Whether the run is for one request. Requests that are a batch already need not wait for each other.
        """
        if not self._executor.idle or (self._gap and alone and self._crowded()):
            return 0
        return self._inline_rows

    def ran_inline(self, ns: int) -> None:
        """Note that a run on the event loop has ended.

        Args:
            ns: The nanoseconds it took.
        """
        if ns > INLINE_LIMIT * 1e9:
            # The measured latency does not hold: this model's time depends on the values of a request.
            self._inline_rows = 0
        if self._gap:
            self._last = monotonic()

    def _crowded(self) -> bool:
        """Whether jobs arrive faster than they can be run one by one; on the executor's thread they form batches."""
        now = monotonic()
        since, self._last = now - self._last, now
        return since < self._gap

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return self._executor.pending

    def discard(self, job: Job) -> None:
        """Remove a job from the queue because its client has gone."""
        self._executor.discard(job)

    def close(self) -> None:
        """Refuse further jobs; those that wait are still run."""
        self._executor.close()

    def join(self, timeout: float) -> bool:
        """Wait until a closed dispatcher has run its jobs; False if the time ran out."""
        return self._executor.join(timeout)


def inline_rows(model: LoadedModel) -> int:
    """Most rows that the model answers in less time than a thread hop; 0 if none, or if its latency is unknown."""
    latency, batching = model.latency, model.config.batching
    if latency is None or latency.first > THREAD_HOP:
        return 0
    if batching is not None and (batching.delay or batching.preferred):
        # The model's config asks for requests to wait for each other.
        return 0
    most = max(1, model.max_batch_size)
    return (
        most
        if latency.further * most <= THREAD_HOP
        else 1 + int((THREAD_HOP - latency.first) / latency.further)
    )


def worthwhile_gap(model: LoadedModel) -> float:
    """Seconds between two requests below which batching them is worth a thread hop; 0.0 if it never is."""
    latency = model.latency
    if latency is None or model.run_rows <= 1 or latency.first - latency.further < MIN_GAIN:
        return 0.0
    return latency.first
