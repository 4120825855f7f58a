"""Rules by which a scale crosses layers with one input: f(s x) = s' f(x), exactly.

s' equals s if the layer keeps the axes; Flatten, Reshape and Permute rearrange the numbers of the scale as they
rearrange those of the tensor. Each rule checks its conditions and raises Refusal if one does not hold.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from converter.folding.fused_activation import require_crossed, require_positive
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, along, laid, shortest
from converter.graph import Layer

_MOST_ELEMENTS = 2**24  # of one sample, when a per-channel scale is spread over it

Propagate = Callable[[Layer, Scale, Shape | None, Shape | None], Scale]


@dataclass(frozen=True)
class PropagationRule:
    """How a scale crosses one kind of layer.

    Each function takes the layer, the scale on one side, and the shapes before and after the layer where they
    are known; it returns the scale on the other side, or raises Refusal.

    Attributes:
        forward: From the scale on the input to the scale on the output.
        backward: From the scale on the output to the scale on the input.
    """

    forward: Propagate
    backward: Propagate


def _both(check: Callable[[Layer, Scale], None]) -> PropagationRule:
    """The same scale on both sides, if the check passes."""

    def cross(layer: Layer, scale: Scale, _: Shape | None, __: Shape | None) -> Scale:
        check(layer, scale)
        return scale

    return PropagationRule(cross, cross)


def _elementwise(layer: Layer, scale: Scale) -> None:
    """The layer is the identity at inference: every scale crosses it."""


def _channel_axis(layer: Layer) -> int:
    """The channel axis, counted from the end; the digit in the layer's class name is the number of spatial axes."""
    spatial = next(int(letter) for letter in layer.kind if letter.isdecimal())
    return -1 - spatial if layer.config.get("data_format") == "channels_first" else -1


def _by_channel(layer: Layer, scale: Scale) -> None:
    """Averages, zeros and repeats within each channel."""
    along(scale, _channel_axis(layer), layer.name)


def _maximum(layer: Layer, scale: Scale) -> None:
    """Maxima within each channel: max(s x) = s max(x) for s > 0."""
    require_positive(layer, scale, "takes a maximum")
    _by_channel(layer, scale)


def _relu(layer: Layer, scale: Scale) -> None:
    """A ReLU with threshold 0 and no upper bound."""
    require_positive(layer, scale, "cuts off at zero")
    if layer.config.get("max_value") is not None or layer.config.get("threshold"):
        raise Refusal(f"'{layer.name}' is bounded, and a scale would move the bound")


def _leaky(layer: Layer, scale: Scale) -> None:
    """Two slopes that meet at 0."""
    require_positive(layer, scale, "bends at zero")


def _no_offset(layer: Layer, scale: Scale) -> None:  # noqa: ARG001  all checks are called alike
    """A Rescaling without an offset."""
    if layer.config.get("offset", 0.0) != 0.0:
        raise Refusal(f"'{layer.name}' adds an offset")


def _last_axis(layer: Layer, scale: Scale) -> None:
    """The layer inserts an axis before the last one, which keeps its place."""
    along(scale, -1, layer.name)


def _global_forward(layer: Layer, scale: Scale, _: Shape | None, __: Shape | None) -> Scale:
    _global(layer, scale)
    channels = along(scale, _channel_axis(layer), layer.name)
    return scale if layer.config.get("keepdims") else channels


def _global_back(layer: Layer, scale: Scale, _: Shape | None, __: Shape | None) -> Scale:
    _global(layer, scale)
    axis = _channel_axis(layer)
    return laid(along(scale, axis if layer.config.get("keepdims") else -1, layer.name), axis)


def _global(layer: Layer, scale: Scale) -> None:
    if layer.kind.startswith("GlobalMax"):
        require_positive(layer, scale, "takes a maximum")


def _spread(layer: Layer, scale: Scale, shape: Shape | None) -> Scale:
    """Broadcast a scale to one number for every element of a sample."""
    sizes = [size for size in shape[1:] if size is not None] if shape else []
    if shape is None or len(sizes) != len(shape) - 1:
        raise Refusal(f"the scale differs by channel, and the sizes at '{layer.name}' are not all known")
    if math.prod(sizes) > _MOST_ELEMENTS or scale.ndim > len(sizes):
        raise Refusal(f"the scale differs by channel, and does not fit the tensor at '{layer.name}'")
    return np.broadcast_to(scale, sizes)


def _reshape(layer: Layer, scale: Scale, source: Shape | None, target: Shape | None) -> Scale:
    """Broadcast a scale to one shape, and reshape it to another with the same number of elements."""
    return scale if not scale.ndim else shortest(_spread(layer, scale, source).reshape(_sizes(layer, target)))


def _sizes(layer: Layer, shape: Shape | None) -> tuple[int, ...]:
    return _spread(layer, np.asarray(1.0), shape).shape


def _moves_channels(layer: Layer, scale: Scale, source: Shape | None) -> bool:
    """Whether a Flatten moves the channels to the last axis before it flattens."""
    first = layer.config.get("data_format") == "channels_first"
    return first and bool(scale.ndim) and source is not None and len(source) > 2


def _flatten_forward(layer: Layer, scale: Scale, before: Shape | None, after: Shape | None) -> Scale:
    if _moves_channels(layer, scale, before):
        full = np.moveaxis(_spread(layer, scale, before), 0, -1)
        return shortest(full.reshape(_sizes(layer, after)))
    return _reshape(layer, scale, before, after)


def _flatten_back(layer: Layer, scale: Scale, before: Shape | None, after: Shape | None) -> Scale:
    if _moves_channels(layer, scale, before):
        channels, *rest = _sizes(layer, before)
        full = _spread(layer, scale, after).reshape([*rest, channels])
        return shortest(np.moveaxis(full, -1, 0))
    return _reshape(layer, scale, after, before)


def _permutation(layer: Layer, scale: Scale) -> list[int]:
    dims = layer.config.get("dims")
    if not isinstance(dims, list) or sorted(dims) != list(range(1, len(dims) + 1)) or scale.ndim > len(dims):
        raise Refusal(f"the scale differs by channel, and does not fit '{layer.name}'")
    return [dim - 1 for dim in dims]


def _permuted(scale: Scale, order: list[int]) -> Scale:
    padded = scale.reshape((1,) * (len(order) - scale.ndim) + scale.shape)
    return shortest(padded.transpose(order))


def _permute_forward(layer: Layer, scale: Scale, _: Shape | None, __: Shape | None) -> Scale:
    return _permuted(scale, _permutation(layer, scale)) if scale.ndim else scale


def _permute_back(layer: Layer, scale: Scale, _: Shape | None, __: Shape | None) -> Scale:
    order = _permutation(layer, scale) if scale.ndim else []
    return _permuted(scale, [order.index(axis) for axis in range(len(order))]) if order else scale


_TABLE: dict[PropagationRule, str] = {
    _both(_elementwise): """
        Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
        ActivityRegularization Identity""",
    _both(require_crossed): "Activation",
    _both(_no_offset): "Rescaling",
    _both(_relu): "ReLU",
    _both(_leaky): "LeakyReLU PReLU",
    _both(_by_channel): """
        AveragePooling1D AveragePooling2D AveragePooling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
        Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D""",
    _both(_maximum): "MaxPooling1D MaxPooling2D MaxPooling3D",
    _both(_last_axis): "RepeatVector",
    PropagationRule(_global_forward, _global_back): """
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D""",
    PropagationRule(_flatten_forward, _flatten_back): "Flatten",
    PropagationRule(
        _reshape, lambda layer, scale, before, after: _reshape(layer, scale, after, before)
    ): "Reshape",
    PropagationRule(_permute_forward, _permute_back): "Permute",
}

PROPAGATION_RULES: dict[str, PropagationRule] = {
    kind: rule for rule, kinds in _TABLE.items() for kind in kinds.split()
}
