"""The requests that wait for one model: who may wait, for how long, and who is next.

    level 1, the most urgent    o o o
    level 2                     o o
    ...
    delayed: waited too long    o

Within a level the first to come is the first to go, except that one which does not fit into the run at hand lets
others pass. Not safe for threads: the worker that owns it holds a lock.
"""

from collections import deque
from collections.abc import Iterator

from serving.errors import DeadlineExceededError, InvalidInputError, QueueFullError
from serving.repository.config import Batching, QueuePolicy
from serving.repository.model import LoadedModel
from serving.scheduler.job import Job

FEW = 16
"""So many may wait however slow the model is: who sends a few at once to a slow model overloads nothing."""

NEWS = 0.2
"""The weight of the last run in what is thought of the next."""


class Queue:
    """What waits for one model.

    Args:
        model: The model; its config decides.

    Attributes:
        count: How many wait.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._batching = model.config.batching or Batching()
        levels = range(1, self._batching.levels + 1) if self._batching.levels else (0,)
        self._levels: dict[int, deque[Job]] = {level: deque() for level in levels}
        self._delayed: deque[Job] = deque()
        self.count = 0
        # Requests with a limited time are rare; without one nobody needs to look for those that waited too long.
        self._limited = 0
        self._each = model.pace.first if model.pace else 0.0

    def __len__(self) -> int:
        return self.count

    def add(self, job: Job) -> None:
        """Let a job wait.

        Raises:
            QueueFullError: Too many wait already.
            InvalidInputError: It has a priority that the model does not have.
        """
        level = self._level(job)
        policy = self._policy(level)
        waiting = self._levels[level]
        if (policy.size and len(waiting) >= policy.size) or self._long(level, policy.seconds):
            raise QueueFullError(
                f"{len(waiting)} requests wait for model '{self._model.name}'; try again later",
                retry_after=self._drain_time(),
            )
        job.timeout = _timeout(job, policy)
        self._limited += job.timeout > 0
        waiting.append(job)
        self.count += 1

    def ran(self, jobs: int, seconds: float) -> None:
        """Learn from a run how long the next will take."""
        each = seconds / jobs
        self._each += (each - self._each) * (NEWS if self._each else 1.0)

    def remove(self, job: Job) -> None:
        """Take out a job that nobody waits for any more, if it is there."""
        for waiting in (*self._levels.values(), self._delayed):
            if job in waiting:
                waiting.remove(job)
                self.count -= 1
                self._limited -= job.timeout > 0
                return

    def expire(self, now: float) -> list[Job]:
        """Take out the jobs that waited longer than they may, with their error; or put them behind the others."""
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
        """The rows that the next run could have now, up to the most it may have."""
        return sum(job.rows for job in self._next(self._model.run_rows))

    def take(self, most: int) -> list[Job]:
        """Take out the job that is next, and if the model's requests are joined, those that fit into its run.

        Args:
            most: Rows that the run should not exceed; the first job is taken whatever its size.
        """
        taken = list(self._next(most))
        chosen = set(map(id, taken))
        for waiting in (*self._levels.values(), self._delayed):
            # Nearly always those at the front: others are only looked at if one did not fit.
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
        """When the job that waits longest arrived; one must wait."""
        if self._delayed:
            return self._delayed[0].arrived
        return min(waiting[0].arrived for waiting in self._levels.values() if waiting)

    def soonest(self) -> float:
        """When the next job will have waited longer than it may; infinite if none will."""
        if not self._limited:
            return float("inf")
        jobs = (job for waiting in self._levels.values() for job in waiting if job.timeout)
        return min((job.arrived + job.timeout for job in jobs), default=float("inf"))

    def _next(self, most: int) -> Iterator[Job]:
        """The jobs that the next run would have."""
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
                if room <= 0 or not self._model.joining.joins:
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

    def _long(self, level: int, seconds: float) -> bool:
        """Whether those who are not behind a new job of this level need longer than that."""
        most = seconds * self._model.config.instances
        if not most or self._each * self.count <= most or self.count < FEW:
            return False
        before = sum(len(waiting) for other, waiting in self._levels.items() if other <= level)
        return before >= FEW and self._each * before > most

    def _drain_time(self) -> float:
        """Seconds until the queue is half empty, as far as that can be told."""
        needed = self._each * self.count / self._model.config.instances
        return min(10.0, max(0.01, needed / 2))


def _timeout(job: Job, policy: QueuePolicy) -> float:
    """Seconds that a job may wait: the policy's, or less if the sender wants that and may; 0 for any time."""
    if not policy.override or not job.timeout:
        return policy.timeout
    return min(job.timeout, policy.timeout) if policy.timeout else job.timeout
