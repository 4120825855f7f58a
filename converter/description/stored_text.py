"""Formats the options and weights that a layer stores, for error texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from converter.archive import Weight
from converter.description.layer_keys import LAYER_KEYS, TRAINING_SUFFIXES, plain_array

_LONGEST = 40
_MOST = 8


def stored_text(config: Mapping[str, Any], weights: Mapping[str, Weight]) -> str:
    """Such as ``units=8, use_bias=True and 2 weights of shapes (8, 8), (8,)``; ``nothing`` if there is nothing."""
    options = options_text(config, [key for key in config if is_own_option(key)])
    return " and ".join(filter(None, (options, weights_text(list(weights.values()))))) or "nothing"


def is_own_option(key: str) -> bool:
    """Whether a config key belongs to the class: not one that every layer has, or that only training needs."""
    return key not in LAYER_KEYS and not key.endswith(TRAINING_SUFFIXES)


def options_text(config: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Such as ``alpha=3, per_channel=True``."""
    shown = [f"{key:.{_LONGEST}}={_value(config[key])}" for key in sorted(keys)]
    more = ["..."] if len(shown) > _MOST else []
    return ", ".join([*shown[:_MOST], *more])


def weights_text(weights: Sequence[Weight]) -> str:
    """Such as ``2 weights of shapes (8, 8), (8,)``; empty if there are none."""
    if not weights:
        return ""
    shapes = [str(weight.shape) for weight in weights[:_MOST]] + ["..."] * (len(weights) > _MOST)
    plural = "s" if len(weights) > 1 else ""
    return f"{len(weights)} weight{plural} of shape{plural} {', '.join(shapes)}"


def _value(value: object) -> str:
    value = plain_array(value)
    if isinstance(value, Mapping):
        return str(value.get("class_name") or "{...}")[:_LONGEST]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return "[...]"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
