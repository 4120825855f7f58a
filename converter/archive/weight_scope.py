"""Assigns stored weights to layers, in the two layouts in which Keras writes them."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Protocol, Self

from converter.archive.weight import Weight

_TRAINING = ("optimizer/", "metrics/")  # Keras 2 stores metrics too
_MODELS = frozenset({"Sequential", "Functional", "Model"})


class WeightScope(Protocol):
    """The weights below one model or layer."""

    def enter(self, class_name: str, name: str) -> Self:
        """The scope of the next layer. Call it once for each layer, in the model's order."""
        ...

    def claim(self) -> Mapping[str, Weight]:
        """Claim every weight in this scope; by path, such as ``cell/vars/1``, or by position."""
        ...

    def is_empty(self) -> bool:
        """Whether nothing is stored in this scope."""
        ...

    def unclaimed(self) -> Iterator[str]:
        """The paths in the whole file that no scope has claimed."""
        ...


@dataclass
class TreeScope:
    """The layout of ``.keras``: ``layers/dense_1/vars/0``, numbered by class in the order of the layers."""

    leaves: Mapping[str, Weight]
    prefix: str = ""
    _root: "TreeScope | None" = None
    _seen: Counter[str] = field(default_factory=Counter, init=False)
    _paths: list[str] = field(default_factory=list, init=False)
    _claimed: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        root = self._root
        self._paths = root._paths if root else sorted(self.leaves)  # noqa: SLF001  its own kind
        self._claimed = root._claimed if root else set()  # noqa: SLF001  likewise

    def enter(self, class_name: str, name: str) -> "TreeScope":  # noqa: ARG002  a tree ignores names
        """The scope ``layers/<class in snake case>[_<number>]``."""
        key = snake_case(class_name)
        number = self._seen[key]
        self._seen[key] += 1
        prefix = f"{self.prefix}layers/{key}{f'_{number}' if number else ''}/"
        return TreeScope(self.leaves, prefix, self)

    def claim(self) -> Mapping[str, Weight]:
        """Claim the weights, by path relative to this scope."""
        paths = list(self._below())
        self._claimed.update(paths)
        return {path[len(self.prefix) :]: self.leaves[path] for path in paths}

    def is_empty(self) -> bool:
        """Whether nothing is stored in this scope."""
        return next(self._below(), None) is None

    def unclaimed(self) -> Iterator[str]:
        """The paths that no scope has claimed, except training state, which belongs to no layer."""
        return (path for path in self._paths if path not in self._claimed and not path.startswith(_TRAINING))

    def _below(self) -> Iterator[str]:
        start = bisect_left(self._paths, self.prefix)
        following = (self._paths[index] for index in range(start, len(self._paths)))
        return takewhile(lambda path: path.startswith(self.prefix), following)


@dataclass(frozen=True)
class ListScope:
    """The layout of ``.h5``: per layer a list of weights, each with a name like ``lstm/cell/kernel``."""

    layers: Mapping[str, Sequence[tuple[str, Weight]]]
    weights: Sequence[tuple[str, Weight]] = ()
    _claimed: set[Weight] = field(default_factory=set)

    def enter(self, class_name: str, name: str) -> "ListScope":
        """The list of the layer of that name; inside a nested model, the weights with the layer's name in their path.

        The paths may omit the name of a model inside a nested model. Then its layers search among all weights.
        """
        listed = self.layers.get(name)
        if listed is None:
            listed = [entry for entry in self.weights if f"/{name}/" in f"/{entry[0]}"]
        if not listed and class_name in _MODELS:
            listed = list(self.weights)
        return ListScope({}, listed, self._claimed)

    def claim(self) -> Mapping[str, Weight]:
        """Claim the weights, by position."""
        self._claimed.update(weight for _, weight in self.weights)
        return {str(i): weight for i, (_, weight) in enumerate(self.weights)}

    def is_empty(self) -> bool:
        """Whether nothing is stored in this scope."""
        return not self.weights

    def unclaimed(self) -> Iterator[str]:
        """The paths that no scope has claimed."""
        return (
            f"{layer}/{path}"
            for layer, listed in self.layers.items()
            for path, weight in listed
            if weight not in self._claimed
        )


def snake_case(class_name: str) -> str:
    """The group name that Keras gives to a class: ``PSSLayer`` -> ``pss_layer``, ``Conv2D`` -> ``conv2d``."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
