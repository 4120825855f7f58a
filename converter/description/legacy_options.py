"""Translates options that older versions of Keras wrote to those of the current version."""

from collections.abc import Mapping
from typing import Any

from converter.errors import UnsupportedError

# They affect how something is computed, or record the shape at build time, but do not change the result.
_WITHOUT_MEANING: Mapping[str, set[str]] = {
    "Embedding": {"input_length"},
    "MultiHeadAttention": {"query_shape", "key_shape", "value_shape", "softmax_robust_masking"},
    **{
        kind: {"implementation"}
        for kind in ("LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell")
    },
    **{kind: {"groups"} for kind in ("SeparableConv1D", "SeparableConv2D")},
    **{kind: {"groups", "filters"} for kind in ("DepthwiseConv1D", "DepthwiseConv2D")},
    **{kind: {"groups"} for kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")},
    "BatchNormalization": {"renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size"},
}
_RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
_MUST_BE = {"time_major": False, "stateful": False, "groups": 1}


def current_options(kind: str, config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A layer's options as the current Keras takes them.

    Raises:
        UnsupportedError: An option is in use that was removed, or that keeps state between calls.
    """
    dropped = _WITHOUT_MEANING.get(kind, set())
    renamed = _RENAMED.get(kind, {})
    made: dict[str, Any] = {}
    for key, value in config.items():
        required = _MUST_BE.get(key)
        gone = key in {"time_major", *dropped}
        if (gone or key == "stateful") and required is not None and value not in (required, None):
            raise UnsupportedError(f"has {key}={value}, which cannot be converted", where=where)
        if not gone:
            made[renamed.get(key, key)] = value
    if kind == "Normalization":
        _same_length(made, "mean", "variance")
    axis = made.get("axis")
    if kind == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        made["axis"] = axis[0]
    return made


def _same_length(config: dict[str, Any], *keys: str) -> None:
    """Repeat a single number to the length of the other option's list."""
    longest = max((len(config[key]) for key in keys if isinstance(config.get(key), list)), default=0)
    for key in keys:
        if longest and isinstance(config.get(key), int | float):
            config[key] = [config[key]] * longest
