"""Recognises what a custom layer computes: a Lambda, or a user's class."""

from collections.abc import Mapping
from typing import Any

from converter.archive import Weight
from converter.description.activation_reader import from_lambda
from converter.description.class_reader import applies_stored_function, read_class
from converter.description.layer_entry import entry_class, entry_config
from converter.description.recognition import Recognition


def read_custom_layer(
    entry: Mapping[str, Any], weights: Mapping[str, Weight], where: str, *, keras_2: bool
) -> Recognition:
    """Recognise what a layer that is not Keras's own computes.

    Raises:
        UnsupportedError: It is not recognised.
        UnsafeFileError: A parameter is not a number.
    """
    if entry_class(entry, where) == "Lambda":
        return from_lambda(entry_config(entry, where), where)
    return read_class(entry, weights, where, keras_2=keras_2)


def stops_mask(entry: Mapping[str, Any]) -> bool:
    """Users' classes and Lambdas declare no mask support; ``converter.layers`` and ``Activation`` do."""
    own = str(entry.get("registered_name") or entry.get("class_name")).startswith("plainserve>")
    return not (own or applies_stored_function(entry))
