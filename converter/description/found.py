"""An activation that was found in a file."""

from dataclasses import dataclass

from converter.activations import Activation
from converter.basis import Basis


@dataclass(frozen=True)
class Found:
    """An activation and how it is known."""

    activation: Activation
    why: str
    basis: Basis
