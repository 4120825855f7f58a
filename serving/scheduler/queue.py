"""The queue of one model: refuses requests when it is full, drops those that waited too long, picks the next batch.

    level 1, the most urgent    o o o
    level 2                     o o
    ...
    delayed: waited too long    o

Within a level, the order is first in, first out, except that a request which does not fit into the current batch lets
others pass. Not thread-safe: the executor that owns the queue holds a lock.
"""

from collections import deque
from collections.abc import Iterator

from serving.errors import DeadlineExceededError, InvalidInputError, QueueFullError
from serving.repository.config import Batching, QueuePolicy
from serving.repository.model import LoadedModel
from serving.scheduler.job import Job

ALWAYS_ADMITTED = 16
"""Requests that may wait however slow the model is: a few requests at once are no overload."""

SMOOTHING = 0.2
"""The weight of the last run in the moving average of the time for each job."""


class RequestQueue:
    """The jobs that wait for one model.

    Args:
        model: The model; its config has the limits.

    Attributes:
        count: How many jobs wait.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._batching = model.config.batching or Batching()
        levels = range(1, self._batching.levels + 1) if self._batching.levels else (0,)
        self._levels: dict[int, deque[Job]] = {level: deque() for level in levels}
        self._delayed: deque[Job] = deque()
        self.count = 0
        # Requests with a timeout are rare; without one, no search for requests that waited too long is needed.
        self._limited = 0
        self._seconds_per_job = model.latency.first if model.latency else 0.0

    def __len__(self) -> int:
        return self.count

    def add(self, job: Job) -> None:
        """Add a job.

        Raises:
            QueueFullError: Too many jobs wait already.
            InvalidInputError: It has a priority that the model does not have.
        """
        level = self._level(job)
        policy = self._policy(level)
        waiting = self._levels[level]
        if (policy.size and len(waiting) >= policy.size) or self._takes_too_long(level, policy.seconds):
            raise QueueFullError(
                f"{len(waiting)} requests wait for model '{self._model.name}'; try again later",
                retry_after=self._drain_time(),
            )
        job.timeout = _timeout(job, policy)
        self._limited += job.timeout > 0
        waiting.append(job)
        self.count += 1

    def ran(self, jobs: int, seconds: float) -> None:
        """Update the expected time for each job after a run."""
        each = seconds / jobs
        self._seconds_per_job += (each - self._seconds_per_job) * (
            SMOOTHING if self._seconds_per_job else 1.0
        )

    def remove(self, job: Job) -> None:
        """Remove a job whose client has gone, if it still waits."""
        for waiting in (*self._levels.values(), self._delayed):
            if job in waiting:
                waiting.remove(job)
                self.count -= 1
                self._limited -= job.timeout > 0
                return

    def expire(self, now: float) -> list[Job]:
        """Remove the jobs that waited longer than they may and give them an error; or move them behind all others.

        Which of the two happens is up to the queue policy of the model.
        """
        if not self._limited:
            return []
        refused: list[Job] = []
        for level, waiting in self._levels.items():
            late = [job for job in waiting if job.timeout and now - job.arrived >= job.timeout]
            for job in late:
                waiting.remove(job)
                self._limited -= 1
                if self._policy(level).delay:
                    job.timeout = 0.0
                    self._delayed.append(job)
                    continue
                self.count -= 1
                text = f"the request waited longer than the {job.timeout * 1e6:.0f} microseconds it may"
                job.error = DeadlineExceededError(f"{text}; allow more time or send fewer at once")
                refused.append(job)
        return refused

    def rows(self) -> int:
        """The rows that the next batch would have now, at most as many as a batch may have."""
        return sum(job.rows for job in self._next(self._model.run_rows))

    def take(self, most: int) -> list[Job]:
        """Remove and return the next job, and with batching, the jobs that fit into its batch.

        Args:
            most: Most rows of the batch; the first job is taken whatever its size.
        """
        taken = list(self._next(most))
        chosen = set(map(id, taken))
        for waiting in (*self._levels.values(), self._delayed):
            # Nearly always the jobs at the front; others are only searched if one did not fit.
            while waiting and id(waiting[0]) in chosen:
                chosen.remove(id(waiting.popleft()))
        if chosen:
            for waiting in (*self._levels.values(), self._delayed):
                left = [job for job in waiting if id(job) not in chosen]
                waiting.clear()
                waiting.extend(left)
        self.count -= len(taken)
        self._limited -= sum(job.timeout > 0 for job in taken)
        return taken

    def oldest(self) -> float:
        """When the job that waits longest arrived. The queue must not be empty."""
        if self._delayed:
            return self._delayed[0].arrived
        return min(waiting[0].arrived for waiting in self._levels.values() if waiting)

    def soonest(self) -> float:
        """When the next timeout of a job ends; infinite if none has one."""
        if not self._limited:
            return float("inf")
        jobs = (job for waiting in self._levels.values() for job in waiting if job.timeout)
        return min((job.arrived + job.timeout for job in jobs), default=float("inf"))

    def _next(self, most: int) -> Iterator[Job]:
        """The jobs of the next batch."""
        first: Job | None = None
        room = most
        for waiting in (*self._levels.values(), self._delayed):
            for job in waiting:
                if first is None:
                    first, room = job, most - job.rows
                elif job.key == first.key and job.rows <= room:
                    room -= job.rows
                else:
                    continue
                yield job
                if room <= 0 or not self._model.batching_permission.granted:
                    return

    def _level(self, job: Job) -> int:
        if not self._batching.levels:
            return 0
        level = job.priority or self._batching.default_level
        if level > self._batching.levels:
            raise InvalidInputError(
                f"model '{self._model.name}' has priorities from 1 to {self._batching.levels}; got {level}"
            )
        return level

    def _policy(self, level: int) -> QueuePolicy:
        return self._batching.level_policies.get(level, self._model.config.queue)

    def _takes_too_long(self, level: int, seconds: float) -> bool:
        """Whether the jobs ahead of a new job of this level are expected to take longer than some seconds."""
        most = seconds * self._model.config.instances
        if not most or self._seconds_per_job * self.count <= most or self.count < ALWAYS_ADMITTED:
            return False
        before = sum(len(waiting) for other, waiting in self._levels.items() if other <= level)
        return before >= ALWAYS_ADMITTED and self._seconds_per_job * before > most

    def _drain_time(self) -> float:
        """The expected seconds until the queue is half empty."""
        needed = self._seconds_per_job * self.count / self._model.config.instances
        return min(10.0, max(0.01, needed / 2))


def _timeout(job: Job, policy: QueuePolicy) -> float:
    """Seconds that a job may wait: those of the policy, or fewer if its request asks for that; 0 for any time."""
    if not policy.override or not job.timeout:
        return policy.timeout
    return min(job.timeout, policy.timeout) if policy.timeout else job.timeout
