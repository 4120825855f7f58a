"""In which types a layer computes and keeps its weights, and which scales are harmless there."""

import numpy as np

from converter.dtypes import FLOATS
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Layer

# Between a layer's product and its bias a folded scale s makes s * W x of what was W x. Within these powers
# of two that neither overflows nor vanishes for any tensor that a model of this type can sensibly hold.
_HARMLESS_EXPONENT = {"float16": 10, "bfloat16": 32, "float32": 32, "float64": 32}


def compute_type(layer: Layer) -> str:
    """The float type that a layer computes in.

    Raises:
        Refusal: Its policy is no float policy.
    """
    name = layer.policy.removeprefix("mixed_")
    if name not in FLOATS:
        raise Refusal(f"'{layer.name}' computes in {name}")
    return name


def weight_type(layer: Layer) -> str:
    """The float type that a layer keeps its weights in."""
    return "float32" if layer.policy.startswith("mixed_") else compute_type(layer)


def require_harmless(scale: Scale, kind: str) -> None:
    """Check the size of a scale.

    Raises:
        Refusal: It is zero, not finite, or beyond what the type that it computes in bears.
    """
    if not np.isfinite(scale).all():
        raise Refusal("it is not finite")
    if not scale.all():
        raise Refusal("it is zero")
    exponent = _HARMLESS_EXPONENT[kind]
    magnitude = np.abs(scale)
    if magnitude.max() > 2.0**exponent or magnitude.min() < 2.0**-exponent:
        raise Refusal(f"it is beyond 2^-{exponent} to 2^{exponent}, where {kind} could overflow or vanish")
