"""An activation that was found in a file."""

from dataclasses import dataclass
from typing import Any, ClassVar

from converter.activations import Activation
from converter.archive import Weight
from converter.basis import Basis


@dataclass(frozen=True)
class BuiltInFunction:
    """A function of Keras's own that a user's class is taken to apply; the graph holds its name, no activation.

    Attributes:
        name: Such as ``tanh``.
    """

    name: str

    key: ClassVar[str] = "built_in"

    @property
    def formula(self) -> str:
        """Such as ``tanh(x)``."""
        return f"{self.name}(x)"

    def arguments(self) -> dict[str, Any]:
        """None."""
        return {}


@dataclass(frozen=True)
class Recognition:
    """An activation and how it is known.

    Attributes:
        activation: What it computes.
        why: How that is known.
        basis: The same as a word.
        learned: The stored weights whose numbers the activation has.
    """

    activation: Activation | BuiltInFunction
    why: str
    basis: Basis
    learned: tuple[Weight, ...] = ()
