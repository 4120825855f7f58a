"""Defines how the formula of an activation is known: the basis of the parity proof.

Parity measures how far an artefact is from a reference. The basis says why the reference is the user's model:

    recorded   recorded outputs of the user's own model were compared (``--samples`` with ``--expected``)
    code       the user's own code was run (``--custom-objects``)
    read       the file contains the formula: bytecode, a layer of ``converter.layers``, or one of Keras's own
    stated     the user stated it (``--activation``)
    assumed    it was assumed from the name of a class or function

The basis of an artefact is the weakest basis of its activations.
"""

from collections.abc import Iterable
from enum import StrEnum


class Basis(StrEnum):
    """How a formula is known; the members are ordered from the strongest to the weakest."""

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
    """The weakest of several; ``read`` if there are none, because then the file contains all that matters."""
    order = list(Basis)
    return max(several, key=order.index, default=Basis.READ)
