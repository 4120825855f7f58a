"""Records functions that are assumed to be Keras's own because of their bare names.

Keras writes the same for a user's own function of that name, so only the user's code can tell the two apart.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class AssumedBuiltIn:
    """One such function. ``linear``, the default, is not recorded.

    Attributes:
        layer: The layer's name.
        argument: The argument of the layer: ``activation`` or ``recurrent_activation``.
        name: The function's name, such as ``swish``.
    """

    layer: str
    argument: str
    name: str

    def to_json(self) -> dict[str, str]:
        """JSON values for the manifest and ``--json``."""
        return asdict(self)


def layers_by_name(taken: Iterable[AssumedBuiltIn]) -> dict[str, list[str]]:
    """The layers that use each function, without repeats, in order."""
    found: dict[str, dict[str, None]] = {}
    for each in taken:
        found.setdefault(each.name, {})[each.layer] = None
    return {name: list(layers) for name, layers in found.items()}
