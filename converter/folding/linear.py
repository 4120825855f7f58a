"""Layers that are linear up to a bias: how a scale on their output or input becomes part of their weights.

    output:  s * (W x + c)  =  (s W) x + s c
    input:   W (s x) + c    =  (W s) x + c

A scale is one number, or one per channel of the last axis.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.archive import Weight
from converter.folding.refusal import Refusal
from converter.folding.scaled import scaled
from converter.graph import Layer

Scale = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """How one kind of layer takes a scale; each function returns the changed layer or raises Refusal."""

    output: Callable[[Layer, Scale], Layer]
    input: Callable[[Layer, Scale], Layer]


def _weights(layer: Layer, factors: dict[str, Scale]) -> Layer:
    changed: dict[str, Weight] = {
        path: scaled(layer.weights[path], factor, layer.policy) for path, factor in factors.items()
    }
    return layer.but(weights={**layer.weights, **changed})


def _along(scale: Scale, axis: int) -> Scale:
    """A per-channel scale laid along an axis counted from the end (-1 is the last)."""
    return scale.reshape(scale.shape + (1,) * (-1 - axis)) if scale.ndim else scale


def _require_last_axis(layer: Layer, scale: Scale) -> None:
    if scale.ndim and layer.config.get("data_format") == "channels_first":
        raise Refusal(f"'{layer.name}' has its channels first, and the scale differs by the last axis")


def _kernel(output_axis: int, input_axis: int, kernel: str = "vars/0") -> Linear:
    """Layers with a kernel and perhaps a bias."""

    def output(layer: Layer, scale: Scale) -> Layer:
        _require_last_axis(layer, scale)
        if layer.config.get("activation", "linear") != "linear" or layer.activations:
            raise Refusal(f"the activation of '{layer.name}' stands between")
        factors = {kernel: _along(scale, output_axis)}
        bias = f"vars/{len(layer.weights) - 1}"
        if bias != kernel:
            factors[bias] = scale
        return _weights(layer, factors)

    def input_(layer: Layer, scale: Scale) -> Layer:
        _require_last_axis(layer, scale)
        if scale.ndim and layer.config.get("groups", 1) != 1:
            raise Refusal(f"'{layer.name}' is grouped, and the scale differs by channel")
        return _weights(layer, {"vars/0": _along(scale, input_axis)})

    return Linear(output, input_)


def _depthwise_output(layer: Layer, scale: Scale) -> Layer:
    """Output channel i * multiplier + j comes from kernel element (i, j)."""
    _require_last_axis(layer, scale)
    if layer.config.get("activation", "linear") != "linear" or layer.activations:
        raise Refusal(f"the activation of '{layer.name}' stands between")
    factor = scale.reshape(layer.weights["vars/0"].shape[-2:]) if scale.ndim else scale
    factors = {"vars/0": factor}
    if "vars/1" in layer.weights:
        factors["vars/1"] = scale
    return _weights(layer, factors)


def _one_number(linear: Linear) -> Linear:
    """For layers whose axes an equation names: only a scale that is one number."""

    def only(apply: Callable[[Layer, Scale], Layer]) -> Callable[[Layer, Scale], Layer]:
        def checked(layer: Layer, scale: Scale) -> Layer:
            if scale.ndim:
                raise Refusal(f"the scale differs by channel, and '{layer.name}' is an EinsumDense")
            return apply(layer, scale)

        return checked

    return Linear(only(linear.output), only(linear.input))


def _normalization_output(layer: Layer, scale: Scale) -> Layer:
    """S * (gamma * z + beta) = (s gamma) * z + s beta."""
    _require_channel_axis(layer, scale)
    if not layer.config.get("scale", True):
        raise Refusal(f"'{layer.name}' has no gamma to take the scale")
    factors = {"vars/0": scale}
    if layer.config.get("center", True):
        factors["vars/1"] = scale
    return _weights(layer, factors)


def _normalization_input(layer: Layer, scale: Scale) -> Layer:
    """Rescales mean, variance and epsilon, so that the normalised value is the same.

    (s x - mean) / sqrt(variance + eps) = sign(s) (x - mean / s) / sqrt(variance / s^2 + eps / s^2)
    """
    if scale.ndim:
        raise Refusal(f"the scale differs by channel, and the epsilon of '{layer.name}' does not")
    if scale < 0 and not layer.config.get("scale", True):
        raise Refusal(f"the scale is negative, and '{layer.name}' has no gamma to take its sign")
    count = len(layer.weights)
    factors = {f"vars/{count - 2}": 1 / scale, f"vars/{count - 1}": 1 / scale**2}
    if scale < 0:
        factors["vars/0"] = np.asarray(-1.0)
    epsilon = float(layer.config.get("epsilon", 1e-3)) / float(scale) ** 2
    return _weights(layer.but(config={**layer.config, "epsilon": epsilon}), factors)


def _require_channel_axis(layer: Layer, scale: Scale) -> None:
    axis = layer.config.get("axis", -1)
    if scale.ndim and axis != -1:
        raise Refusal(f"'{layer.name}' normalises axis {axis}, and the scale differs by the last")


_STANDARD = _kernel(output_axis=-1, input_axis=-2)
_TRANSPOSED = _kernel(output_axis=-2, input_axis=-1)

LINEAR: dict[str, Linear] = {
    "Dense": _STANDARD,
    "Conv1D": _STANDARD,
    "Conv2D": _STANDARD,
    "Conv3D": _STANDARD,
    "Conv1DTranspose": _TRANSPOSED,
    "Conv2DTranspose": _TRANSPOSED,
    "Conv3DTranspose": _TRANSPOSED,
    "DepthwiseConv1D": Linear(_depthwise_output, _STANDARD.input),
    "DepthwiseConv2D": Linear(_depthwise_output, _STANDARD.input),
    "SeparableConv1D": _kernel(output_axis=-1, input_axis=-2, kernel="vars/1"),
    "SeparableConv2D": _kernel(output_axis=-1, input_axis=-2, kernel="vars/1"),
    "EinsumDense": _one_number(_STANDARD),
    "BatchNormalization": Linear(_normalization_output, _normalization_input),
}
