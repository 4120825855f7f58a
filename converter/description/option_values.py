"""Selects the options of a built-in layer that matter at inference, and checks that their values are plain."""

import math
from typing import Any

from converter.description.layer_keys import TRAINING_SUFFIXES, plain_array
from converter.errors import UnsafeFileError, UnsupportedError

# Needed by training only, or set by the converter itself.
_DROPPED = frozenset(
    {
        "name", "trainable", "dtype", "batch_input_shape", "input_dtype", "activity_regularizer",
        "quantization_config", "lora_rank", "lora_alpha", "seed", "gamma_quantizer", "synchronized",
    }
)  # fmt: skip


def is_relevant(key: str) -> bool:
    """Whether an option matters at inference."""
    return key not in _DROPPED and not key.endswith(TRAINING_SUFFIXES)


def plain_value(value: object, key: str, where: str) -> Any:  # noqa: ANN401  JSON
    """The value of an option: a scalar or nested lists of scalars; an array becomes a list.

    Raises:
        UnsafeFileError: A number in it is not finite.
        UnsupportedError: It holds an object.
    """
    return _plain(plain_array(value), key, where)


def _plain(value: object, key: str, where: str) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsafeFileError(f"option '{key}' must be a finite number, not {value}", where=where)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, key, where) for item in value]
    raise UnsupportedError(f"option '{key}' holds an object, which is not known", where=where)
