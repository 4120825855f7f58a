"""Reads a layer that is not Keras's own: a Lambda, or a user's class."""

from collections.abc import Mapping
from typing import Any

from converter.archive import Weight
from converter.description.activation_reader import from_class, from_lambda
from converter.description.found import Found
from converter.description.hints import say_activation
from converter.description.kinds import MODELS
from converter.errors import UnsupportedError


def read_users_layer(
    class_name: str,
    entry: Mapping[str, Any],
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    where: str,
) -> Found:
    """What a layer that is not Keras's own computes.

    Raises:
        UnsupportedError: That is not known.
    """
    if class_name == "Lambda":
        return from_lambda(config, where)
    name = str(entry.get("registered_name") or class_name)
    found = from_class(name, config, weights, where, _rank(entry))
    if found is not None:
        return found
    kind = "a subclassed model" if class_name in MODELS else f"of class '{class_name}'"
    raise UnsupportedError(f"is {kind}, which is not known", where=where, hint=say_activation(where))


def _rank(entry: Mapping[str, Any]) -> int | None:
    """The rank of what a layer was built for."""
    built = entry.get("build_config")
    shape = built.get("input_shape") if isinstance(built, Mapping) else None
    return len(shape) if isinstance(shape, list) else None


def stops_mask(entry: Mapping[str, Any]) -> bool:
    """Users' classes and Lambdas declare no mask support; the layers of ``converter.layers`` do."""
    return not str(entry.get("registered_name") or entry.get("class_name")).startswith("plainserve>")
