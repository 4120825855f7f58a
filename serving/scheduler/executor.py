"""Runs the queued requests of one model on threads of its own, in batches where the model allows them.

While the model runs, requests queue; when it is free, the requests at the front that fit into one batch run together.
A request does not wait for others that have not arrived yet, unless the model's config asks for that.
"""

from collections.abc import Callable, Sequence
from threading import TIMEOUT_MAX, Condition, Thread
from time import monotonic

from serving.errors import StoppingError
from serving.repository.config import Batching
from serving.repository.model import LoadedModel
from serving.scheduler import batch
from serving.scheduler.job import Job
from serving.scheduler.queue import RequestQueue


class ModelExecutor:
    """Runs one model's jobs on threads of its own, one for each instance.

    Args:
        model: The model.
        deliver: Called on such a thread with the jobs that are done.
    """

    def __init__(self, model: LoadedModel, deliver: Callable[[Sequence[Job]], None]) -> None:
        self._model = model
        self._deliver = deliver
        self._batching = model.config.batching or Batching()
        self._most = model.run_rows
        self._preferred = tuple(size for size in self._batching.preferred if size <= self._most)
        self._queue = RequestQueue(model)
        self._changed = Condition()
        self._running = 0
        self._closed = False
        name = f"model-{model.name}-{model.version}"
        # Daemon threads: a model that hangs must not keep the process from ending.
        self._threads = [
            Thread(target=self._work, name=name, daemon=True) for _ in range(model.config.instances)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not (self._running or self._queue.count)

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    def add(self, job: Job) -> None:
        """Queue a job.

        Raises:
            QueueFullError: Too many jobs wait already.
            InvalidInputError: It has a priority that the model does not have.
            StoppingError: The executor is closed.
        """
        with self._changed:
            if self._closed:
                raise StoppingError(f"model '{self._model.name}' is being unloaded; try again")
            job.arrived = monotonic()
            self._queue.add(job)
            self._changed.notify()

    def discard(self, job: Job) -> None:
        """Remove a job from the queue because its client has gone. A job that already runs is not stopped."""
        with self._changed:
            self._queue.remove(job)

    def close(self) -> None:
        """Refuse further jobs; the threads end when those that wait are done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the threads of a closed executor; False if one still runs."""
        until = monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while jobs := self._next():
            ready = [job for job in jobs if job.error is None and not job.expired()]
            start = monotonic()
            if ready:
                batch.run(self._model, ready)
            with self._changed:
                self._running -= 1
                if ready:
                    self._queue.ran(len(ready), monotonic() - start)
            self._deliver(jobs)
            # While this thread waits, it must not keep the last jobs alive.
            del jobs, ready

    def _next(self) -> list[Job]:
        """Wait for the next batch, or for jobs that waited too long; empty when the executor is closed and done."""
        with self._changed:
            while not self._closed or self._queue:
                now = monotonic()
                jobs = self._queue.expire(now)
                if not jobs and self._queue and (most := self._due(now)):
                    jobs = self._queue.take(most)
                if jobs:
                    for job in jobs:
                        job.waited = now - job.arrived
                    self._running += 1
                    return jobs
                self._changed.wait(self._pause(now))
            return []

    def _due(self, now: float) -> int:
        """Most rows of the batch that is to run now; 0 if none is."""
        delay = self._batching.delay
        if not self._model.batching_permission.granted or not (delay or self._preferred):
            return self._most
        rows = self._queue.rows()
        reached = [size for size in self._preferred if size <= rows]
        if rows >= self._most or (self._preferred and rows >= self._preferred[-1]):
            return reached[-1] if reached else self._most
        if self._closed or now - self._queue.oldest() >= delay:
            return reached[-1] if reached else self._most
        return 0

    def _pause(self, now: float) -> float | None:
        """Seconds to wait if no new job arrives; None for any time."""
        if not self._queue:
            return None
        until = self._queue.soonest()
        if self._batching.delay:
            until = min(until, self._queue.oldest() + self._batching.delay)
        # A request may ask for any timeout, and a lock takes no longer one than TIMEOUT_MAX.
        return None if until == float("inf") else min(max(0.0, until - now), TIMEOUT_MAX)
