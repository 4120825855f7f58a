"""Reads the fields that every layer entry has: class, config, and whether the class is Keras's own."""

from collections.abc import Mapping
from typing import Any

from converter.description.storage_options import InputShape
from converter.description.supported_layers import NOT_CONVERTED
from converter.errors import UnsafeFileError

_KERAS_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_PUBLIC_NAMES = {"GroupedQueryAttention": "GroupQueryAttention"}  # the legacy format has the Python name


def entry_class(entry: Mapping[str, Any], where: str) -> str:
    """The class name of an entry, by which ``keras.layers`` knows the class."""
    class_name = entry.get("class_name")
    if not isinstance(class_name, str) or not class_name:
        raise UnsafeFileError("has no class name", where=where)
    return _PUBLIC_NAMES.get(class_name, class_name)


def entry_config(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The config of an entry."""
    config = entry.get("config")
    if not isinstance(config, Mapping):
        raise UnsafeFileError("has no config", where=where)
    return config


def is_built_in(entry: Mapping[str, Any]) -> bool:
    """Whether an entry refers to a class of Keras's own.

    The newer format states a module, which is null for a user's class whose module is unknown. The legacy format
    states none, so a user's class can be distinguished only by its name.
    """
    if "module" not in entry:
        return ">" not in str(entry.get("class_name"))
    module = entry["module"]
    return isinstance(module, str) and any(
        module == known or module.startswith(f"{known}.") for known in _KERAS_MODULES
    )


def is_unsupported_keras_layer(entry: Mapping[str, Any]) -> bool:
    """Whether an unsupported entry refers to a class of Keras's own, which the user's code cannot replace."""
    return is_built_in(entry) and ("module" in entry or entry.get("class_name") in NOT_CONVERTED)


def built_shape(entry: Mapping[str, Any]) -> InputShape | None:
    """The input shape that a layer was built for, if its entry states it."""
    built = entry.get("build_config")
    shape = built.get("input_shape") if isinstance(built, Mapping) else None
    if not isinstance(shape, list) or not all(size is None or type(size) is int for size in shape):
        return None
    return tuple(shape)
