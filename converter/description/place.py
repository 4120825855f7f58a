"""Where a layer or a part of one stands, and which of the stored weights are still to be given to something."""

from dataclasses import dataclass

from converter.archive import Weight
from converter.description.found import Found


@dataclass(frozen=True)
class Place:
    """Where a layer or a part of one stands.

    Attributes:
        names: Of the layer in the graph, then of each part down to this one.
        prefix: Of this one's weights among those of the layer.
        weights: The layer's weights by path; those that become numbers of activations are taken out.
        found: The activations found in the layer so far.
    """

    names: tuple[str, ...]
    prefix: str
    weights: dict[str, Weight]
    found: list[Found]

    @property
    def name(self) -> str:
        """Such as ``bidirectional/forward_lstm``."""
        return "/".join(self.names)

    @property
    def where(self) -> str:
        """For error texts."""
        return f"layer '{self.name}'"

    def inside(self, name: str, path: str) -> "Place":
        """The place of a part."""
        return Place((*self.names, name), f"{self.prefix}{path}/", self.weights, self.found)

    def take(self, path: str = "") -> dict[str, Weight]:
        """Take out the weights below a path; they are returned by their paths below it."""
        start = f"{self.prefix}{path}"
        keys = [key for key in self.weights if key.startswith(start)]
        return {key.removeprefix(start): self.weights.pop(key) for key in keys}
