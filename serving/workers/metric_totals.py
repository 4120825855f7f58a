"""What the workers have counted together, those included that have ended.

Of a worker that ends, what it last told is kept: at most what it did in its last second is lost. What a model did
counts from when it was loaded, so that of a worker that ended is dropped when the model is loaded anew.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from serving.metrics.aggregation import GAUGE, Sums

Counted: TypeAlias = list[tuple[str, str, dict[str, Any]]]
"""For each model and version what :meth:`~serving.repository.statistics.Statistics.totals` tells."""

LATEST = "last"
"""The one number among the statistics that is a time, and does not add up."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one worker has counted.

    Attributes:
        metrics: As text.
        statistics: By model and version.
    """

    metrics: str
    statistics: Counted


class Totals:
    """What those that ended have counted."""

    def __init__(self) -> None:
        self._metrics = Sums()
        self._statistics: dict[tuple[str, str], Any] = {}

    def retire(self, snapshot: Snapshot) -> None:
        """Keep what a worker counted that ended."""
        self._metrics.add(snapshot.metrics)
        self._metrics.drop(_none, kinds=(GAUGE,))
        _add(self._statistics, snapshot.statistics)

    def forget(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Drop what was done by versions that were loaded anew or unloaded.

        Args:
            before: How the workers stood (:mod:`serving.server.state_snapshot`).
            after: How they stand.
        """

        def changed(model: str, version: str) -> bool:
            found = _digest(before, model, version)
            return found is None or found != _digest(after, model, version)

        self._metrics.drop(changed)
        self._statistics = {of: each for of, each in self._statistics.items() if not changed(*of)}

    def metrics(self, living: Iterable[Snapshot]) -> str:
        """All metrics, as text."""
        sums = Sums()
        for each in living:
            sums.add(each.metrics)
        sums.include(self._metrics)
        return sums.written()

    def statistics(self, living: Iterable[Snapshot]) -> Counted:
        """All statistics."""
        added = dict(self._statistics)
        for each in living:
            _add(added, each.statistics)
        return [(name, version, totals) for (name, version), totals in added.items()]


def _none(_model: str, _version: str) -> bool:
    return False


def _digest(standing: Mapping[str, Any], model: str, version: str) -> str | None:
    digest: str | None = standing["models"].get(model, {"served": {}})["served"].get(version)
    return digest


def _add(into: dict[tuple[str, str], Any], counted: Counted) -> None:
    for name, version, totals in counted:
        known = into.get((name, version))
        into[name, version] = totals if known is None else _sum(known, totals)


def _sum(one: Any, other: Any, combine: Callable[[Any, Any], Any] = lambda a, b: a + b) -> Any:  # noqa: ANN401  JSON
    """Numbers added, lists element by element, objects by their keys."""
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
