"""Recognises what a class computes from its name and its stored options and weights; its code is not in the file.

a layer of converter.layers      read: the formula is that of the layer
a class of a known name          assumed from the name, if options and weights are those of such a class
a class that stores a function   assumed: it is taken for a subclass of ``Activation``, which applies it
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from converter.activations import Activation, by_class
from converter.archive import Weight
from converter.basis import Basis
from converter.description.activation_reader import from_function
from converter.description.layer_entry import built_shape, is_unsupported_keras_layer
from converter.description.layer_hints import hint_for_class, hint_for_keras_layer
from converter.description.option_hints import custom_objects_hint
from converter.description.parameters import of_custom_class, of_own_layer
from converter.description.recognition import BuiltInFunction, Recognition
from converter.description.storage_options import InputShape
from converter.description.stored_text import is_own_option, stored_text
from converter.description.supported_layers import MODELS
from converter.errors import ConversionError, UnsupportedError

_OWN_PACKAGE = "plainserve>"
_REBUILD = "Rebuild it as a functional or Sequential model with the same weights, and save that."


def read_class(
    entry: Mapping[str, Any], weights: Mapping[str, Weight], where: str, *, keras_2: bool = False
) -> Recognition:
    """Recognise what the class of an entry computes: a layer, or the ``activation=`` argument of one.

    Args:
        entry: The object in the file: class_name, config, registered_name.
        weights: Its stored weights, by path.
        where: The layer.
        keras_2: Keras 2 wrote the file.

    Raises:
        UnsupportedError: It is not recognised.
        UnsafeFileError: A parameter is not a number.
    """
    config = entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    name = str(entry.get("registered_name") or entry["class_name"])
    if applies_stored_function(entry) and not weights:
        return _of_stored_function(name, config["activation"], where, keras_2=keras_2)
    found = from_class(name, config, weights, where, built_shape(entry))
    if found is None:
        hint = hint_for_class(config, weights, built_shape(entry), where)
        raise _unknown(entry, stored_text(config, weights), hint, where)
    return found


def require_not_keras(entry: Mapping[str, Any], where: str) -> None:
    """Check that an entry of an unsupported class does not name a layer of Keras's own.

    What such a layer computes is known and is not one of the formulas that ``--activation`` can state.

    Raises:
        UnsupportedError: It names a layer of Keras's own.
    """
    if is_unsupported_keras_layer(entry):
        name = str(entry["class_name"])
        raise UnsupportedError(
            f"is of class '{name}', a layer of Keras's own that is not supported",
            where=where,
            hint=_REBUILD if name in MODELS else hint_for_keras_layer(name),
        )


def applies_stored_function(entry: Mapping[str, Any]) -> bool:
    """Whether a class is stored with a function and nothing else, as a subclass of ``Activation`` is."""
    config = entry.get("config")
    return isinstance(config, Mapping) and [key for key in config if is_own_option(key)] == ["activation"]


def from_class(
    class_name: str,
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    where: str,
    shape: InputShape | None = None,
) -> Recognition | None:
    """Recognise a layer class by its name; None if the name is not known.

    Args:
        class_name: The name in the file, including the package that it is registered in, if any.
        config: Its options.
        weights: Its stored weights, by path.
        where: The layer.
        shape: The input shape that it was built for, if the file states it.

    Raises:
        UnsupportedError: The name is known, but the config and weights do not belong to such a class.
        UnsafeFileError: A parameter is not a number.
    """
    name = class_name.rsplit(">", 1)[-1]
    kind = by_class(name)
    if kind is None:
        return None
    learned = tuple(weights.values())
    if class_name.startswith(_OWN_PACKAGE):
        values = of_own_layer(kind, config, weights, shape, where)
        return Recognition(_made(kind, values, where), "a layer of converter.layers", Basis.READ, learned)
    try:
        values, assumed = of_custom_class(kind, name, config, weights, shape, where)
    except UnsupportedError as error:
        error.hint = hint_for_class(config, weights, shape, where)
        raise
    why = f"formula assumed from the class name '{name}'{assumed}"
    return Recognition(_made(kind, values, where), why, Basis.ASSUMED, learned)


def _of_stored_function(name: str, function: object, where: str, *, keras_2: bool) -> Recognition:
    found = from_function(function, where, keras_2=keras_2)
    if found is None:
        raise UnsupportedError(
            f"class '{name}' stores an object as its activation", where=where, hint=custom_objects_hint()
        )
    if isinstance(found, str):
        found = Recognition(BuiltInFunction(found), f"'{found}' is Keras's own", Basis.READ)
    why = f"class '{name}' assumed to apply only the function that it stores: {found.why}"
    return replace(found, why=why, basis=Basis.ASSUMED)


def _unknown(entry: Mapping[str, Any], stored: str, hint: str, where: str) -> UnsupportedError:
    name = str(entry["class_name"])
    if name in MODELS:
        return UnsupportedError("is a subclassed model, which is not known", where=where, hint=_REBUILD)
    holds = "" if stored == "nothing" else f"; it stores {stored}"
    return UnsupportedError(f"is of class '{name}', which is not known{holds}", where=where, hint=hint)


def _made(kind: type[Activation], parameters: Mapping[str, Any], where: str) -> Activation:
    try:
        return kind(**parameters)
    except ConversionError as error:
        error.where = where
        raise
