"""Reads a layer's name from its entry, or generates the name that Keras would give it."""

from collections.abc import Collection, Mapping
from typing import Any

from converter.archive.weight_scope import snake_case
from converter.description.layer_entry import entry_class, is_built_in
from converter.errors import UnsafeFileError


def storage_class_name(entry: Mapping[str, Any], name: str) -> str:
    """The class name under which Keras stores a layer's weights: that of the Python class, without its package."""
    class_name = entry_class(entry, f"layer '{name}'").rsplit(">", 1)[-1]
    return {"GroupQueryAttention": "GroupedQueryAttention"}.get(class_name, class_name)


def generated_name(entry: object, taken: Collection[str]) -> str | None:
    """The name that Keras generates for a user's layer whose ``get_config`` omits it; None for any other entry."""
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(config, Mapping) or {"name"} & {*entry, *config}:
        return None
    class_name = str(entry.get("class_name")).rsplit(">", 1)[-1]
    if is_built_in(entry) or not class_name.isidentifier():
        return None
    base = name = snake_case(class_name)
    number = 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def layer_name_in_model(entry: object, where: str) -> str:
    """The name in a layer's entry: Keras 3 writes it beside the config too, older files only inside the config.

    Raises:
        UnsafeFileError: There is no name, or it cannot be printed or looks like a path to elsewhere.
    """
    if not isinstance(entry, Mapping):
        raise UnsafeFileError("has a layer that is not an object", where=where)
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str) or not name or len(name) > 1000:
        raise UnsafeFileError("has a layer without a name", where=where)
    if not name.isprintable():
        raise UnsafeFileError("has a layer whose name cannot be printed", where=where)
    if name.startswith("/") or ".." in name.replace("\\", "/").split("/"):
        raise UnsafeFileError(
            f"has a layer named like a path that leads elsewhere: '{name:.80}'", where=where
        )
    return name
