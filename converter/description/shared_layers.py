"""Finds the layer that an entry shares with another place in the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.description.block import Block
from converter.errors import UnsupportedError
from converter.graph import Layer


@dataclass
class SharedLayers:
    """The layers that have been read so far, with their entries.

    Keras marks every entry of a shared layer but the first with a ``shared_object_id``, and stores weights for the
    first only. So the layer is found by comparing entries.
    """

    _read: list[tuple[Mapping[str, Any], "Layer | Block"]] = field(default_factory=list, init=False)

    def add(self, entry: Mapping[str, Any], layer: "Layer | Block") -> None:
        """Remember a layer that was read from an entry."""
        self._read.append((entry, layer))

    def find(self, entry: Mapping[str, Any], where: str) -> "Layer | Block | None":
        """The layer that was read from an equal entry; None if there is none.

        Raises:
            UnsupportedError: Several layers were read from equal entries.
        """
        known = [layer for seen, layer in self._read if _without_marks(seen) == _without_marks(entry)]
        if len(known) > 1:
            raise UnsupportedError("is shared, and it cannot be told with which layer", where=where)
        return known[0] if known else None


def _without_marks(entry: object) -> object:
    """An entry without the keys that differ between the places of a shared layer."""
    if isinstance(entry, Mapping):
        return {
            key: _without_marks(value)
            for key, value in entry.items()
            if key not in {"shared_object_id", "inbound_nodes"}
        }
    return [_without_marks(item) for item in entry] if isinstance(entry, list) else entry
