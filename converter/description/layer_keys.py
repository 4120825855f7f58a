"""What every Keras layer stores beside its own arguments, and how numbers are written in a config."""

from collections.abc import Mapping
from typing import Any

LAYER_KEYS = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape"})
"""Stored for every layer, whatever its class."""

TRAINING_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
"""Of arguments that only training needs: starting values, penalties, constraints."""


def plain_array(value: object) -> Any:  # noqa: ANN401  JSON
    """The numbers of an array or tensor that Keras 3 wrote into a config; anything else as it is."""
    if isinstance(value, Mapping) and str(value.get("class_name")) in {"__numpy__", "__tensor__"}:
        config = value.get("config")
        return config.get("value") if isinstance(config, Mapping) else None
    return value
