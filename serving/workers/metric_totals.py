"""The metrics and statistics of all workers together, including those that have ended.

The last counts that a worker sent are kept when it ends, so that at most its last second is lost. A model is counted
from when it was loaded: when it is loaded again, the counts of ended workers for it are dropped.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from serving.metrics.aggregation import GAUGE, Sums

Counted: TypeAlias = list[tuple[str, str, dict[str, Any]]]
"""For each model and version, the result of :meth:`~serving.repository.statistics.Statistics.totals`."""

LATEST = "last"
"""The one number among the statistics that is a time: the latest counts, not the sum."""


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """The counts of one worker.

    Attributes:
        metrics: Its metrics as text.
        statistics: Its statistics by model and version.
    """

    metrics: str
    statistics: Counted


class WorkerTotals:
    """The counts of the workers that have ended."""

    def __init__(self) -> None:
        self._metrics = Sums()
        self._statistics: dict[tuple[str, str], Any] = {}

    def retire(self, counts: WorkerCounts) -> None:
        """Keep the counts of a worker that ended."""
        self._metrics.add(counts.metrics)
        self._metrics.drop(_none, kinds=(GAUGE,))
        _add(self._statistics, counts.statistics)

    def forget(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Drop the counts of versions that were loaded again or unloaded.

        Args:
            before: The state of the workers before (:mod:`serving.server.state_snapshot`).
            after: Their state now.
        """

        def changed(model: str, version: str) -> bool:
            found = _digest(before, model, version)
            return found is None or found != _digest(after, model, version)

        self._metrics.drop(changed)
        self._statistics = {of: each for of, each in self._statistics.items() if not changed(*of)}

    def metrics(self, living: Iterable[WorkerCounts]) -> str:
        """The metrics of ended and living workers, as text."""
        sums = Sums()
        for each in living:
            sums.add(each.metrics)
        sums.include(self._metrics)
        return sums.written()

    def statistics(self, living: Iterable[WorkerCounts]) -> Counted:
        """The statistics of ended and living workers."""
        added = dict(self._statistics)
        for each in living:
            _add(added, each.statistics)
        return [(name, version, totals) for (name, version), totals in added.items()]


def _none(_model: str, _version: str) -> bool:
    return False


def _digest(state: Mapping[str, Any], model: str, version: str) -> str | None:
    digest: str | None = state["models"].get(model, {"served": {}})["served"].get(version)
    return digest


def _add(into: dict[tuple[str, str], Any], counted: Counted) -> None:
    for name, version, totals in counted:
        known = into.get((name, version))
        into[name, version] = totals if known is None else _sum(known, totals)


def _sum(one: Any, other: Any, combine: Callable[[Any, Any], Any] = lambda a, b: a + b) -> Any:  # noqa: ANN401  JSON
    """The sum of two JSON values: numbers are added, lists element by element, objects by their keys."""
    if isinstance(one, dict):
        return {
            key: one.get(key, other.get(key))
            if key not in one or key not in other
            else _sum(one[key], other[key], max if key == LATEST else combine)
            for key in {**one, **other}
        }
    if isinstance(one, list):
        return [_sum(*pair) for pair in zip(one, other, strict=True)]
    return combine(one, other)
