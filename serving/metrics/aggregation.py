"""Aggregates the metrics of several processes, in the form of :mod:`serving.metrics.exposition`.

a{model="m"} 2   and   a{model="m"} 3   ->   a{model="m"} 5
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

GAUGE = "gauge"

_OF_MODEL = re.compile(r'[^{]*\{model="((?:[^"\\]|\\.)*)",version="([^"]*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(slots=True)
class Family:
    """One metric family.

    Attributes:
        kind: ``counter`` or ``gauge``.
        head: Its HELP and TYPE lines.
        samples: Each value by its name and labels, as written.
    """

    kind: str
    head: str
    samples: dict[str, float] = field(default_factory=dict)


class Sums:
    """The sums of metric families, to which the metrics of processes are added."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def add(self, exposition: str) -> None:
        """Add the metrics of a process."""
        head: list[str] = []
        family = Family("", "")
        # Not splitlines: the name of a model may hold other characters that it takes for the end of a line.
        for line in exposition.split("\n"):
            if line.startswith("# HELP "):
                head = [line]
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                family = self._families.setdefault(name, Family(kind, "\n".join([*head, line])))
            elif line:
                sample, _, value = line.rpartition(" ")
                family.samples[sample] = family.samples.get(sample, 0) + _number(value)

    def include(self, other: "Sums") -> None:
        """Add other sums."""
        self.add(other.written())

    def drop(self, unwanted: Callable[[str, str], bool], *, kinds: Iterable[str] = ()) -> None:
        """Remove the samples of some models, and all samples of some kinds.

        Args:
            unwanted: Whether to remove the samples of a model, by its name and version.
            kinds: The kinds of which all samples are removed.
        """
        for family in self._families.values():
            family.samples = {
                sample: value
                for sample, value in family.samples.items()
                if family.kind not in kinds and not ((of := model_of(sample)) and unwanted(*of))
            }

    def written(self) -> str:
        """The sums as text."""
        return "".join(
            "\n".join([family.head, *(f"{sample} {value}" for sample, value in family.samples.items())])
            + "\n"
            for family in self._families.values()
        )


def model_of(sample: str) -> tuple[str, str] | None:
    """The name and version of the model that a sample is about; None if it is about none."""
    found = _OF_MODEL.match(sample)
    if found is None:
        return None
    name = _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], found[1])
    return name, found[2]


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)
