"""Where a layer or a part of one stands, and what becomes of each weight that is stored for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from converter.archive import Weight
from converter.description.option_hints import custom_objects_hint
from converter.description.recognition import Recognition
from converter.description.stored_text import weights_text
from converter.errors import UnsupportedError


@dataclass(frozen=True)
class LayerContext:
    """Where a layer or a part of one stands.

    Attributes:
        names: Of the layer in the graph, then of each part down to this one.
        prefix: Of this one's weights among those of the layer.
        weights: The layer's weights by path; those that become numbers of activations are taken out.
        recognitions: The activations found in the layer so far.
        consumed: The weights whose numbers have become options of a layer.
    """

    names: tuple[str, ...]
    prefix: str
    weights: dict[str, Weight]
    recognitions: list[Recognition]
    consumed: list[Weight]

    @property
    def name(self) -> str:
        """Such as ``bidirectional/forward_lstm``."""
        return "/".join(self.names)

    @property
    def where(self) -> str:
        """For error texts."""
        return f"layer '{self.name}'"

    def part(self, name: str, path: str) -> "LayerContext":
        """The place of a part."""
        return LayerContext(
            (*self.names, name), f"{self.prefix}{path}/", self.weights, self.recognitions, self.consumed
        )

    def pop_weights(self, path: str = "") -> dict[str, Weight]:
        """Take out the weights below a path; they are returned by their paths below it.

        The state of random numbers is not among what is returned: only training draws them.
        """
        start = f"{self.prefix}{path}"
        keys = [key for key in self.weights if key.startswith(start)]
        taken = {key.removeprefix(start): self.weights.pop(key) for key in keys}
        return {key: weight for key, weight in taken.items() if not is_random_state(key)}

    def restore_weights(self, weights: Mapping[str, Weight]) -> None:
        """Give back what was taken with an empty path."""
        self.weights.update({f"{self.prefix}{path}": weight for path, weight in weights.items()})


def is_random_state(path: str) -> bool:
    """Whether a path is that of a generator's state, which is not learned."""
    return "seed_generator" in path.split("/")[:-1]


def require_all_used(stored: Mapping[str, Weight], used: Iterable[Weight], where: str) -> None:
    """Check that nothing that was learned disappears.

    Args:
        stored: Every weight of a layer.
        used: Those that the graph holds, as weights or as numbers.
        where: The layer.

    Raises:
        UnsupportedError: One is neither used nor the state of random numbers.
    """
    known = set(used)
    lost = {
        path: weight for path, weight in stored.items() if weight not in known and not is_random_state(path)
    }
    if lost:
        listed = ", ".join(f"{path} {weight.shape}" for path, weight in list(lost.items())[:8])
        raise UnsupportedError(
            f"stores {weights_text(list(lost.values()))} that nothing in the graph would use: {listed}",
            where=where,
            hint=custom_objects_hint(),
        )
