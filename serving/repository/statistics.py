"""The statistics of a loaded model, which metrics and ModelStatistics report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any


@dataclass(slots=True)
class Total:
    """How often something happened, and how long it took in all.

    Attributes:
        count: How often.
        ns: Nanoseconds in all.
    """

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        """Count ``count`` more that took ``ns`` together."""
        self.count += count
        self.ns += ns


@dataclass(slots=True)
class Run:
    """One run of a model, in nanoseconds. Not frozen, because creating a frozen one takes three times as long.

    Attributes:
        rows: The rows it had.
        input: Joining the requests.
        infer: The model itself.
        output: Splitting the answers.
    """

    rows: int
    input: int
    infer: int
    output: int


SIZES = 1024
"""Most numbers of rows that are counted separately, so that clients cannot fill the memory with them."""

TOTALS = ("success", "fail", "queue", "input", "infer", "output")
"""The totals among the statistics of a model."""


@dataclass(slots=True)
class BatchTotals:
    """Totals over all runs with one number of rows."""

    input: Total = field(default_factory=Total)
    infer: Total = field(default_factory=Total)
    output: Total = field(default_factory=Total)


@dataclass(slots=True)
class Statistics:
    """Totals since the model was loaded. Requests are counted on the event loop, runs wherever they happen.

    Attributes:
        success: Requests that were answered, from their arrival to their answer.
        fail: Requests that failed.
        failures: Requests that failed, by reason.
        queue: Time in the queue.
        input: Decoding and joining requests; per request.
        infer: The model itself; per request.
        output: Splitting answers; per request.
        rows: Rows that were answered.
        runs: Runs of the model.
        batches: Runs by their number of rows, of which at most ``SIZES`` are counted separately.
        last: When the last request was answered, in nanoseconds since 1970; 0 for never.
    """

    success: Total = field(default_factory=Total)
    fail: Total = field(default_factory=Total)
    failures: dict[str, int] = field(default_factory=dict)
    queue: Total = field(default_factory=Total)
    input: Total = field(default_factory=Total)
    infer: Total = field(default_factory=Total)
    output: Total = field(default_factory=Total)
    rows: int = 0
    runs: int = 0
    batches: dict[int, BatchTotals] = field(default_factory=dict)
    last: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, init=False, compare=False)

    def ran(self, run: Run) -> None:
        """Count a run; from any thread."""
        with self._lock:
            self.runs += 1
            totals = self.batches.get(run.rows)
            if totals is None:
                if len(self.batches) >= SIZES:
                    return
                totals = self.batches[run.rows] = BatchTotals()
            input_, infer, output = totals.input, totals.infer, totals.output
            input_.count += 1
            input_.ns += run.input
            infer.count += 1
            infer.ns += run.infer
            output.count += 1
            output.ns += run.output

    def answered(
        self, rows: int, total_ns: int, queue_ns: int, decode_ns: int, run: Run, count: int = 1
    ) -> None:
        """Count requests that were answered; several of them if they are alike and shared a run.

        Args:
            rows: The rows of one request.
            total_ns: From its arrival to its answer.
            queue_ns: Its time in the queue.
            decode_ns: The time to decode it.
            run: The run that it was part of.
            count: How many such requests there were.
        """
        self.rows += rows * count
        self.last = time.time_ns()
        # Unrolled, because this runs for each request: a loop or five calls take twice as long.
        success, queue, input_, infer, output = self.success, self.queue, self.input, self.infer, self.output
        success.count += count
        success.ns += total_ns * count
        queue.count += count
        queue.ns += queue_ns * count
        input_.count += count
        input_.ns += (decode_ns + run.input) * count
        infer.count += count
        infer.ns += run.infer * count
        output.count += count
        output.ns += run.output * count

    def failed(self, reason: str, total_ns: int) -> None:
        """Count a request that was not answered."""
        self.fail.add(total_ns)
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def totals(self) -> dict[str, Any]:
        """All numbers, in the shape of JSON; those of several processes add up, but for ``last``."""
        with self._lock:
            batches = {
                str(rows): [[each.count, each.ns] for each in (totals.input, totals.infer, totals.output)]
                for rows, totals in self.batches.items()
            }
        return {
            **{name: [(total := getattr(self, name)).count, total.ns] for name in TOTALS},
            "failures": dict(self.failures),
            "rows": self.rows,
            "runs": self.runs,
            "batches": batches,
            "last": self.last,
        }

    @classmethod
    def of(cls, totals: Mapping[str, Any]) -> "Statistics":
        """What :meth:`totals` told."""
        return cls(
            **{name: Total(*totals[name]) for name in TOTALS},
            failures=dict(totals["failures"]),
            rows=totals["rows"],
            runs=totals["runs"],
            batches={
                int(rows): BatchTotals(*(Total(*each) for each in parts))
                for rows, parts in totals["batches"].items()
            },
            last=totals["last"],
        )

    def by_rows(self) -> list[tuple[int, BatchTotals]]:
        """The runs by their number of rows, ascending."""
        with self._lock:
            return sorted(self.batches.items())
