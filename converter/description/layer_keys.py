"""Config keys that every Keras layer has, and the form of arrays in a config."""

from collections.abc import Mapping
from typing import Any

LAYER_KEYS = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape"})
"""Stored for every layer, whatever its class."""

TRAINING_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
"""Suffixes of arguments that only training needs."""


def plain_array(value: object) -> Any:  # noqa: ANN401  JSON
    """The numbers of an array or tensor that Keras 3 wrote into a config; any other value unchanged."""
    if isinstance(value, Mapping) and str(value.get("class_name")) in {"__numpy__", "__tensor__"}:
        config = value.get("config")
        return config.get("value") if isinstance(config, Mapping) else None
    return value
