"""Where each request runs: here and now, or on the thread of its model."""

from collections.abc import Callable, Sequence
from time import monotonic

from serving.repository.loading.warmup import HOP
from serving.repository.model import LoadedModel
from serving.scheduler import batch
from serving.scheduler.executor import Worker
from serving.scheduler.job import Job

GAIN = 50e-6
"""Seconds that a batch must save of a request before requests that follow each other closely wait for each other."""

BETRAYAL = 20e-3
"""Seconds after which a run that was to be short has cost the others too much; none runs inline again.

It is far above what a busy machine adds to a short run.
"""


class Lane:
    """The way into one model.

    Args:
        model: The model.
        deliver: Told of jobs that are done, from another thread.
    """

    def __init__(self, model: LoadedModel, deliver: Callable[[Sequence[Job]], None]) -> None:
        self.model = model
        self._inline_rows = inline_rows(model)
        self._gap = worthwhile_gap(model)
        self._last = 0.0
        self._worker = Worker(model, deliver)

    def submit(self, job: Job) -> bool:
        """Run a job at once if it is short and nothing is before it, else let it wait for its turn.

        Returns:
            Whether it is done.

        Raises:
            QueueFullError: Too many wait already.
            StoppingError: The lane is closed.
        """
        if job.rows > self._inline_rows or not self._worker.idle or (self._gap and self._crowded()):
            self._worker.add(job)
            return False
        if not job.expired() and batch.run_alone(self.model, job).infer > BETRAYAL * 1e9:
            # The pace was no promise: this model's time depends on what it is asked.
            self._inline_rows = 0
        if self._gap:
            self._last = monotonic()
        return True

    def _crowded(self) -> bool:
        """Whether jobs come faster than one by one can be run; on the worker's thread they make batches."""
        now = monotonic()
        since, self._last = now - self._last, now
        return since < self._gap

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return self._worker.pending

    def discard(self, job: Job) -> None:
        """Free the place of a job whose client went away."""
        self._worker.discard(job)

    def close(self) -> None:
        """Take no more jobs; those that wait are still done."""
        self._worker.close()

    def join(self, timeout: float) -> bool:
        """Wait until a closed lane is empty; False if it is not."""
        return self._worker.join(timeout)


class Scheduler:
    """The lanes of all models.

    Args:
        deliver: Told of jobs that are done, from other threads.
    """

    def __init__(self, deliver: Callable[[Sequence[Job]], None]) -> None:
        self._deliver = deliver
        self._lanes: dict[LoadedModel, Lane] = {}
        self._leaving: list[Lane] = []

    def lane(self, model: LoadedModel) -> Lane:
        """The lane of a model, opened with its first request."""
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = Lane(model, self._deliver)
        return lane

    def pending(self, model: LoadedModel) -> int:
        """How many jobs wait for a model."""
        lane = self._lanes.get(model)
        return lane.pending if lane else 0

    def retire(self, model: LoadedModel) -> None:
        """Let what waits for a model be done and end its threads; :meth:`sweep` forgets it."""
        lane = self._lanes.pop(model, None)
        if lane is not None:
            lane.close()
            self._leaving.append(lane)

    def sweep(self) -> bool:
        """Forget the retired models that are done; whether some are not."""
        self._leaving = [lane for lane in self._leaving if not lane.join(0)]
        return bool(self._leaving)

    def close(self, timeout: float) -> bool:
        """Let everything that waits be done and end the threads.

        Args:
            timeout: Most seconds to wait for it.

        Returns:
            Whether all is done.
        """
        until = monotonic() + timeout
        lanes = [*self._lanes.values(), *self._leaving]
        for lane in lanes:
            lane.close()
        ended = [lane.join(max(0.0, until - monotonic())) for lane in lanes]
        return all(ended)


def inline_rows(model: LoadedModel) -> int:
    """Most rows that the model answers faster than a thread hop costs; 0 if none, or if nobody knows."""
    pace, batching = model.pace, model.config.batching
    if pace is None or pace.first > HOP:
        return 0
    if batching is not None and (batching.delay or batching.preferred):
        # The owner wants requests to wait for each other.
        return 0
    most = max(1, model.max_batch_size)
    return most if pace.further * most <= HOP else 1 + int((HOP - pace.first) / pace.further)


def worthwhile_gap(model: LoadedModel) -> float:
    """Seconds between two requests below which a batch of them is worth a thread hop; 0.0 if it never is."""
    pace = model.pace
    if pace is None or model.run_rows <= 1 or pace.first - pace.further < GAIN:
        return 0.0
    return pace.first
