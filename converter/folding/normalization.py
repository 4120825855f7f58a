"""Folds a scale into a BatchNormalization, which with its stored statistics is linear in each channel.

    output:  s (gamma z + beta)              =  (s gamma) z + s beta
    input:   gamma (s x - mean) / deviation  =  (s gamma) (x - mean / s) / deviation

where deviation = sqrt(variance + epsilon) does not change. A layer without gamma is refused: the input side would
have to change epsilon, which is one number for all channels and guards the division.
"""

import numpy as np

from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, along
from converter.folding.scaled_weights import require_weights, scaled
from converter.graph import Layer


def normalization_output(layer: Layer, scale: Scale, shape: Shape | None) -> Layer:
    """Scale gamma and beta."""
    _require_gamma(layer)
    channels = along(scale, _axis(layer, scale, shape), layer.name)
    center = bool(layer.config.get("center", True))
    return scaled(layer, {"vars/0": channels} | ({"vars/1": channels} if center else {}))


def normalization_input(layer: Layer, scale: Scale, shape: Shape | None) -> Layer:
    """Scale gamma, and divide the mean."""
    _require_gamma(layer)
    channels = along(scale, _axis(layer, scale, shape), layer.name)
    mean = f"vars/{len(layer.weights) - 2}"
    return scaled(layer, {"vars/0": channels, mean: np.asarray(1 / channels)})


def _require_gamma(layer: Layer) -> None:
    if not layer.config.get("scale", True):
        raise Refusal(f"'{layer.name}' has no gamma to take the scale, and its epsilon is not scale-free")
    require_weights(layer, 3 + bool(layer.config.get("center", True)))


def _axis(layer: Layer, scale: Scale, shape: Shape | None) -> int:
    """The normalised axis, counted from the end."""
    axis = layer.config.get("axis", -1)
    if isinstance(axis, list) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, int):
        raise Refusal(f"'{layer.name}' normalises several axes")
    if axis >= 0 and scale.ndim and shape is None:
        raise Refusal(f"the rank of the tensor at '{layer.name}' is not known")
    return axis if axis < 0 or shape is None else axis - len(shape)
