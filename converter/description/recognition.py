"""The result of recognising an activation in a file."""

from dataclasses import dataclass
from typing import Any, ClassVar

from converter.activations import Activation
from converter.archive import Weight
from converter.basis import Basis


@dataclass(frozen=True)
class BuiltInFunction:
    """A function of Keras's own that a custom layer is assumed to apply; the graph contains only its name.

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
        """No arguments."""
        return {}


@dataclass(frozen=True)
class Recognition:
    """An activation and how it is known.

    Attributes:
        activation: The formula with its numbers.
        why: How the formula is known, as text.
        basis: How the formula is known, as a category.
        learned: The stored weights whose numbers are parameters of the activation.
    """

    activation: Activation | BuiltInFunction
    why: str
    basis: Basis
    learned: tuple[Weight, ...] = ()
