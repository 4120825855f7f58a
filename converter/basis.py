"""What an artefact's proof rests on: how the formula of each activation is known.

Parity says how far an artefact is from a reference. The basis says why the reference is the user's model:

    recorded   answers of the user's own model were compared (``--samples`` with ``--expected``)
    code       the user's own code was run (``--custom-objects``)
    read       the formula stands in the file: bytecode, a layer of ``converter.layers``, Keras's own
    stated     somebody stated it (``--activation``)
    assumed    it was assumed from the name of a class or function

An artefact rests on the weakest of its activations.
"""

from collections.abc import Iterable
from enum import StrEnum


class Basis(StrEnum):
    """How a formula is known; the members stand from the strongest to the weakest."""

    RECORDED = "recorded"
    CODE = "code"
    READ = "read"
    STATED = "stated"
    ASSUMED = "assumed"

    @property
    def proves(self) -> bool:
        """Whether parity with the reference is parity with the user's model."""
        return self in {Basis.RECORDED, Basis.CODE, Basis.READ}


def weakest(several: Iterable[Basis]) -> Basis:
    """The weakest of several; ``read`` if there is none, because then all that counts stands in the file."""
    order = list(Basis)
    return max(several, key=order.index, default=Basis.READ)
