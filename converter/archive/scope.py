"""Which stored weights belong to which layer: the two layouts in which Keras writes them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from converter.archive.weight import Weight


class WeightScope(Protocol):
    """The weights below one model or layer."""

    def enter(self, class_name: str, name: str) -> Self:
        """The scope of the next layer; to be called once per layer, in the model's order."""
        ...

    def own(self) -> Mapping[str, Weight]:
        """Every weight in this scope by its path, such as ``cell/vars/1``, or by its position."""
        ...


@dataclass
class TreeScope:
    """The layout of ``.keras``: ``layers/dense_1/vars/0``, numbered by class in the order of the layers."""

    leaves: Mapping[str, Weight]
    prefix: str = ""
    _seen: Counter[str] = field(default_factory=Counter, init=False)

    def enter(self, class_name: str, name: str) -> "TreeScope":  # noqa: ARG002  a tree ignores names
        """The scope ``layers/<class in snake case>[_<number>]``."""
        key = snake_case(class_name)
        number = self._seen[key]
        self._seen[key] += 1
        return TreeScope(self.leaves, f"{self.prefix}layers/{key}{f'_{number}' if number else ''}/")

    def own(self) -> Mapping[str, Weight]:
        """Weights by path relative to this scope."""
        start = len(self.prefix)
        return {path[start:]: leaf for path, leaf in self.leaves.items() if path.startswith(self.prefix)}


@dataclass(frozen=True)
class ListScope:
    """The layout of ``.h5``: per layer a list of weights, each with a name like ``lstm/cell/kernel``."""

    layers: Mapping[str, Sequence[tuple[str, Weight]]]
    weights: Sequence[tuple[str, Weight]] = ()

    def enter(self, class_name: str, name: str) -> "ListScope":  # noqa: ARG002  a list ignores classes
        """The list of the layer of that name; inside a nested model, those whose path names the layer."""
        if name in self.layers:
            return ListScope({}, self.layers[name])
        return ListScope({}, [entry for entry in self.weights if name in entry[0].split("/")])

    def own(self) -> Mapping[str, Weight]:
        """Weights by position."""
        return {str(i): weight for i, (_, weight) in enumerate(self.weights)}


def snake_case(class_name: str) -> str:
    """The group name that Keras gives to a class: ``PSSLayer`` -> ``pss_layer``, ``Conv2D`` -> ``conv2d``."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
