"""Folds a scale on the output or input of a linear layer into its weights.

    output:  s * (W x + c)  =  (s W) x + s c
    input:   W (s x) + c    =  (W s) x + c

Kernels, with their axes counted from the end:

    Dense                 (in, out)
    Conv                  (..., in / groups, out)
    ConvTranspose         (..., out, in)
    DepthwiseConv         (..., in, multiplier)          output channel = in * multiplier + j
    SeparableConv         (..., in, multiplier), then a pointwise (..., in * multiplier, out)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from converter.folding.einsum import einsum_input, einsum_output
from converter.folding.fused_activation import require_crossed
from converter.folding.normalization import normalization_input, normalization_output
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, along, laid
from converter.folding.scaled_weights import require_weights, scaled
from converter.graph import Layer

Absorb = Callable[[Layer, Scale, Shape | None], Layer]


@dataclass(frozen=True)
class Linear:
    """How one kind of layer absorbs a scale.

    Each function takes the layer, the scale on its output or input, and the shape of that tensor if it is
    known; it returns the changed layer, or raises Refusal.

    Attributes:
        output: Absorbs a scale on the output.
        input: Absorbs a scale on the input.
    """

    output: Absorb
    input: Absorb


def _channels(layer: Layer, scale: Scale) -> Scale:
    """The scale's number for each channel; with channels first, the kernel's rank tells that of the tensors."""
    first = layer.config.get("data_format") == "channels_first"
    return along(scale, 1 - len(layer.weights["vars/0"].shape) if first else -1, layer.name)


def _require_kernels(layer: Layer, count: int) -> None:
    require_weights(layer, count + bool(layer.config.get("use_bias", True)))


def _output(layer: Layer, scale: Scale, kernels: int, lay: Callable[[Layer, Scale], Scale]) -> Layer:
    """Scale the last kernel and the bias."""
    _require_kernels(layer, kernels)
    require_crossed(layer, scale)
    channels = _channels(layer, scale)
    factors = {f"vars/{kernels - 1}": lay(layer, channels)}
    if f"vars/{kernels}" in layer.weights:
        factors[f"vars/{kernels}"] = channels
    return scaled(layer, factors)


def _input(layer: Layer, scale: Scale, kernels: int, lay: Callable[[Layer, Scale], Scale]) -> Layer:
    """Scale the first kernel."""
    _require_kernels(layer, kernels)
    return scaled(layer, {"vars/0": lay(layer, _channels(layer, scale))})


def _on_axis(axis: int) -> Callable[[Layer, Scale], Scale]:
    return lambda _, channels: laid(channels, axis)


def _depthwise(layer: Layer, channels: Scale) -> Scale:
    kernel = layer.weights["vars/0"].shape
    if channels.ndim == 0:
        return channels
    if len(kernel) < 2 or channels.size != kernel[-2] * kernel[-1]:
        raise Refusal(f"the scale has another number of channels than '{layer.name}'")
    return channels.reshape(kernel[-2:])


def _grouped(layer: Layer, channels: Scale) -> Scale:
    """Kernel element (i, o) takes channel i of the group that makes output channel o.

    ``channels`` of shape (groups * i,) becomes a factor of shape (i, o).
    """
    groups = layer.config.get("groups", 1)
    if channels.ndim == 0 or groups == 1:
        return laid(channels, -2)
    kernel = layer.weights["vars/0"].shape
    if not isinstance(groups, int) or len(kernel) < 2 or channels.size != groups * kernel[-2]:
        raise Refusal(f"the scale has another number of channels than '{layer.name}'")
    return np.repeat(channels.reshape(groups, kernel[-2]), kernel[-1] // groups, axis=0).T


def _kernel(
    output: Callable[[Layer, Scale], Scale], input_: Callable[[Layer, Scale], Scale], kernels: int = 1
) -> Linear:
    return Linear(
        lambda layer, scale, _: _output(layer, scale, kernels, output),
        lambda layer, scale, _: _input(layer, scale, kernels, input_),
    )


_TABLE: dict[Linear, str] = {
    _kernel(_on_axis(-1), _on_axis(-2)): "Dense",
    _kernel(_on_axis(-1), _grouped): "Conv1D Conv2D Conv3D",
    _kernel(_on_axis(-2), _on_axis(-1)): "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    _kernel(_depthwise, _on_axis(-2)): "DepthwiseConv1D DepthwiseConv2D",
    _kernel(_on_axis(-1), _on_axis(-2), kernels=2): "SeparableConv1D SeparableConv2D",
    Linear(einsum_output, einsum_input): "EinsumDense",
    Linear(normalization_output, normalization_input): "BatchNormalization",
}

LINEAR: dict[str, Linear] = {kind: linear for linear, kinds in _TABLE.items() for kind in kinds.split()}
