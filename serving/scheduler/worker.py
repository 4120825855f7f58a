"""A model's own thread, and the requests that wait for it.

While the model runs, requests gather; when it is free, those at the front that can share a run do. Nobody
waits for company that has not arrived.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from serving.errors import QueueFullError, StoppingError
from serving.repository.model import LoadedModel
from serving.scheduler import batch
from serving.scheduler.job import Job


class Worker:
    """Runs one model's jobs on a thread of its own.

    Args:
        model: The model.
        deliver: Told, on that thread, of jobs that are done.
    """

    def __init__(self, model: LoadedModel, deliver: Callable[[Sequence[Job]], None]) -> None:
        self._model = model
        self._deliver = deliver
        self._waiting: deque[Job] = deque()
        self._changed = Condition()
        self._running = False
        self._closed = False
        # A daemon: a model that hangs must not keep the process from ending.
        self._thread = Thread(target=self._work, name=f"model-{model.name}-{model.version}", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._running and not self._waiting

    def add(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            QueueFullError: Too many wait already.
            StoppingError: The worker is closed.
        """
        with self._changed:
            if self._closed:
                raise StoppingError(f"model '{self._model.name}' is being unloaded; try again")
            if len(self._waiting) >= self._model.config.queue_size:
                raise QueueFullError(
                    f"{len(self._waiting)} requests wait for model '{self._model.name}'; try again later",
                    retry_after=self._drain_time(),
                )
            self._waiting.append(job)
            self._changed.notify()

    def discard(self, job: Job) -> None:
        """Free the place of a job whose client went away. One that already runs is let run."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def close(self) -> None:
        """Take no more jobs; the thread ends when those that wait are done."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait for the thread of a closed worker; False if it still runs."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while jobs := self._next():
            ready = [job for job in jobs if not job.expired()]
            if ready:
                batch.run(self._model.runtime, ready)
            self._running = False
            self._deliver(jobs)

    def _next(self) -> list[Job]:
        """Wait for jobs and take the next batch; empty when the worker is closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._running = bool(self._waiting)
            return self._take() if self._waiting else []

    def _take(self) -> list[Job]:
        """The job at the front, and those behind it that fit into its run; the others keep their order."""
        first = self._waiting.popleft()
        room = self._model.max_batch_size - first.rows
        taken, left = [first], deque[Job]()
        while room > 0 and self._waiting:
            job = self._waiting.popleft()
            if job.key == first.key and job.rows <= room:
                taken.append(job)
                room -= job.rows
            else:
                left.append(job)
        self._waiting.extendleft(reversed(left))
        return taken

    def _drain_time(self) -> float:
        """Seconds until the queue is half empty, as far as that can be told."""
        pace = self._model.pace
        per_run = pace.seconds(max(1, self._model.max_batch_size)) if pace else 0.1
        runs = len(self._waiting) / max(1, self._model.max_batch_size)
        return min(10.0, max(0.01, per_run * runs / 2))
