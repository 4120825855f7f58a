"""The dtypes in which a layer computes and stores its weights, and the scales that are safe in them."""

import numpy as np

from converter.dtypes import FLOATS
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Layer

# Folding a scale s turns the intermediate product W x into s * W x, before the bias is added. Within these powers
# of two, that neither overflows nor underflows for the tensors that a model of this dtype reasonably has.
_HARMLESS_EXPONENT = {"float16": 10, "bfloat16": 32, "float32": 32, "float64": 32}


def compute_type(layer: Layer) -> str:
    """The float type that a layer computes in.

    Raises:
        Refusal: Its policy is not a float policy.
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
        Refusal: It is zero, not finite, or outside the safe range of the dtype that it computes in.
    """
    if not np.isfinite(scale).all():
        raise Refusal("it is not finite")
    if not scale.all():
        raise Refusal("it is zero")
    exponent = _HARMLESS_EXPONENT[kind]
    magnitude = np.abs(scale)
    if magnitude.max() > 2.0**exponent or magnitude.min() < 2.0**-exponent:
        raise Refusal(f"it is beyond 2^-{exponent} to 2^{exponent}, where {kind} could overflow or vanish")
