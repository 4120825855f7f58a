"""Represents an activation as a layer of its own, and decides when it can be its host's argument instead."""

from collections.abc import Mapping
from typing import TypeVar

from converter.archive import Weight
from converter.description.recognition import BuiltInFunction, Recognition
from converter.description.serialized_object import serialized_object
from converter.description.supported_layers import ELEMENTWISE, RECURRENT
from converter.errors import UnsupportedError
from converter.graph import Layer

_Held = TypeVar("_Held")


def holding(
    found: Recognition, written: object, weights: Mapping[str, Weight], name: str, policy: str
) -> Layer:
    """A layer that only applies an activation: a recognised one, or a function of Keras's own."""
    named = serialized_object(written, weights)
    serialized_objects = {"activation": named} if named else {}
    if isinstance(found.activation, BuiltInFunction):
        return Layer(
            name,
            "Activation",
            {"activation": found.activation.name},
            policy,
            serialized_objects=serialized_objects,
        )
    return Layer(name, "Activation", {}, policy, {}, {"activation": found.activation}, serialized_objects)


def rename(held: Mapping[str, _Held], key: str, into: dict[str, _Held]) -> None:
    """Copy the entry for the function of an ``Activation`` layer to the name of another argument."""
    if "activation" in held:
        into[key] = held["activation"]


def is_function(layer: Layer, policy: str) -> bool:
    """Whether a layer that is an argument only applies a function in its host's dtype."""
    wraps = isinstance(layer.config.get("activation"), Layer)
    return layer.kind == "Activation" and layer.policy == policy and not wraps


def require_fit_for_cell(layer: Layer, policy: str, kind: str, where: str) -> None:
    """Check that a layer can be the argument of its host if that is a recurrent cell.

    Raises:
        UnsupportedError: It has weights, is not elementwise, or computes in another dtype.
    """
    if kind in RECURRENT and (layer.kind not in ELEMENTWISE or layer.policy != policy):
        raise UnsupportedError(
            f"its activation is a layer, {layer.kind} of policy {layer.policy}, which acts inside a recurrent cell",
            where=where,
            hint=f"There it must be a function, or one of {', '.join(sorted(ELEMENTWISE))} in the cell's own dtype.",
        )
