"""Checks whether a scale crosses the activation function of a layer.

f(s x) = s f(x)    for every s where f is linear, for s > 0 where f is piecewise linear with its kink at 0
"""

from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Layer

_LINEAR = frozenset({None, "linear"})
_KINKED_AT_ZERO = frozenset({"relu", "leaky_relu"})


def require_crossed(layer: Layer, scale: Scale) -> None:
    """Check that a scale crosses the function in a layer's ``activation`` argument.

    Raises:
        Refusal: The function is not linear, or is piecewise linear and the scale is not positive.
    """
    name = layer.config.get("activation")
    if layer.activations or not (name is None or isinstance(name, str)):
        raise Refusal(f"the activation of '{layer.name}' stands between")
    if name in _LINEAR:
        return
    if name not in _KINKED_AT_ZERO:
        raise Refusal(f"{name} stands between, in '{layer.name}'")
    require_positive(layer, scale, f"has a {name}")


def require_positive(layer: Layer, scale: Scale, why: str) -> None:
    """Check that a scale is positive everywhere.

    Raises:
        Refusal: It is negative somewhere; the text says why the layer depends on the sign.
    """
    if (scale < 0).any():
        raise Refusal(f"the scale is negative, and '{layer.name}' {why}")
