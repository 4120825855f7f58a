"""Tracks, while a layer and its parts are read, what becomes of each stored weight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from converter.archive import Weight
from converter.description.option_hints import custom_objects_hint
from converter.description.recognition import Recognition
from converter.description.stored_text import weights_text
from converter.errors import UnsupportedError


@dataclass(frozen=True)
class LayerContext:
    """The position of a layer, or of a part that it wraps, with state that all parts of a layer share.

    Attributes:
        names: The name of the layer in the graph, then those of the parts down to this one.
        prefix: The prefix of this part's weights among those of the layer.
        weights: The layer's weights by path; those whose numbers become parameters of activations are removed.
        recognitions: The activations that have been recognised in the layer so far.
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
        """The location in error texts."""
        return f"layer '{self.name}'"

    def part(self, name: str, path: str) -> "LayerContext":
        """The context of a part."""
        return LayerContext(
            (*self.names, name), f"{self.prefix}{path}/", self.weights, self.recognitions, self.consumed
        )

    def pop_weights(self, path: str = "") -> dict[str, Weight]:
        """Remove the weights below a path, and return them by their paths relative to it.

        The state of random number generators is not returned: only training uses it.
        """
        start = f"{self.prefix}{path}"
        keys = [key for key in self.weights if key.startswith(start)]
        taken = {key.removeprefix(start): self.weights.pop(key) for key in keys}
        return {key: weight for key, weight in taken.items() if not is_random_state(key)}

    def restore_weights(self, weights: Mapping[str, Weight]) -> None:
        """Put back the weights that ``pop_weights`` returned for an empty path."""
        self.weights.update({f"{self.prefix}{path}": weight for path, weight in weights.items()})


def is_random_state(path: str) -> bool:
    """Whether a path is that of the state of a random number generator, which is not learned."""
    return "seed_generator" in path.split("/")[:-1]


def require_all_used(stored: Mapping[str, Weight], used: Iterable[Weight], where: str) -> None:
    """Check that no learned weight is lost.

    Args:
        stored: Every weight of a layer.
        used: The weights that the graph contains, as weights or as parameters of activations.
        where: The layer.

    Raises:
        UnsupportedError: A weight is neither used nor the state of a random number generator.
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
