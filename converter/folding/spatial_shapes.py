"""Infers the output shapes of layers that work on spatial axes: convolutions, pooling, padding, upsampling."""

import math
from collections.abc import Callable
from typing import Any

from converter.folding.scale import Shape
from converter.graph import Layer

Sources = list[Shape]
"""The shapes of a layer's inputs."""
Size = int | None
"""The size of one axis; None if it is known only when the model runs."""


def _channels_first(layer: Layer) -> bool:
    return layer.config.get("data_format") == "channels_first"


def _with_space(
    layer: Layer, source: Shape, change: Callable[[int, int], Size], channels: Size = None
) -> Shape:
    """Replace each known spatial size by ``change(axis number, size)``, and the channels if they are given."""
    space = source[2:] if _channels_first(layer) else source[1:-1]
    sizes = [None if size is None else change(number, size) for number, size in enumerate(space)]
    kept = channels if channels is not None else source[1 if _channels_first(layer) else -1]
    return (source[0], kept, *sizes) if _channels_first(layer) else (source[0], *sizes, kept)


def _each(value: Any, number: int) -> Any:  # noqa: ANN401  a plain value
    """The value of an option for one axis; options are given once for all axes, or once for each."""
    return value[number] if isinstance(value, list | tuple) else value


def _window(size: int, window: int, stride: int, padding: str) -> int:
    """The number of positions of a sliding window."""
    covered = size - window + 1 if padding == "valid" else size
    return (covered + stride - 1) // stride


def _convolution(layer: Layer, sources: Sources) -> Shape:
    config = layer.config

    def change(number: int, size: int) -> int:
        window = (_each(config["kernel_size"], number) - 1) * _each(
            config.get("dilation_rate", 1), number
        ) + 1
        return _window(size, window, _each(config.get("strides", 1), number), config.get("padding", "valid"))

    return _with_space(layer, sources[0], change, config.get("filters"))


def _depthwise(layer: Layer, sources: Sources) -> Shape:
    channels = math.prod(layer.weights["vars/0"].shape[-2:])
    shape = _convolution(layer, sources)
    return (shape[0], channels, *shape[2:]) if _channels_first(layer) else (*shape[:-1], channels)


def _transposed(layer: Layer, sources: Sources) -> Shape:
    config = layer.config

    def change(number: int, size: int) -> int:
        stride = _each(config.get("strides", 1), number)
        window = (_each(config["kernel_size"], number) - 1) * _each(
            config.get("dilation_rate", 1), number
        ) + 1
        extra = _each(config.get("output_padding"), number)
        if config.get("padding", "valid") == "same":
            last = stride if extra is None else window % 2 + extra
        else:
            last = max(window, stride) if extra is None else window + extra
        return int((size - 1) * stride + last)

    return _with_space(layer, sources[0], change, config["filters"])


def _pooling(layer: Layer, sources: Sources) -> Shape:
    config = layer.config

    def change(number: int, size: int) -> int:
        window = _each(config.get("pool_size", 2), number)
        stride = window if config.get("strides") is None else _each(config["strides"], number)
        return _window(size, window, stride, config.get("padding", "valid"))

    return _with_space(layer, sources[0], change)


def _global(layer: Layer, sources: Sources) -> Shape:
    if layer.config.get("keepdims"):
        return _with_space(layer, sources[0], lambda _, __: 1)
    return (sources[0][0], sources[0][1 if _channels_first(layer) else -1])


def _edges(value: Any, number: int, dimensions: int) -> int:  # noqa: ANN401  a plain value
    """The sum of both edges of one axis, from ``1``, ``[1, 2]`` or ``[[1, 2], [3, 4]]``."""
    own = value if dimensions == 1 else _each(value, number)
    return 2 * own if isinstance(own, int) else int(sum(own))


def _padded(sign: int, option: str) -> Callable[[Layer, Sources], Shape]:
    def rule(layer: Layer, sources: Sources) -> Shape:
        value, dimensions = layer.config[option], len(sources[0]) - 2
        return _with_space(
            layer, sources[0], lambda number, size: size + sign * _edges(value, number, dimensions)
        )

    return rule


def _enlarged(layer: Layer, sources: Sources) -> Shape:
    return _with_space(
        layer, sources[0], lambda number, size: int(size * _each(layer.config.get("size", 2), number))
    )


_TABLE: dict[Callable[[Layer, Sources], Shape], str] = {
    _convolution: "Conv1D Conv2D Conv3D SeparableConv1D SeparableConv2D",
    _depthwise: "DepthwiseConv1D DepthwiseConv2D",
    _transposed: "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    _pooling: """
        MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D""",
    _global: """
        GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D""",
    _padded(1, "padding"): "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    _padded(-1, "cropping"): "Cropping1D Cropping2D Cropping3D",
    _enlarged: "UpSampling1D UpSampling2D UpSampling3D",
}

SPATIAL_RULES: dict[str, Callable[[Layer, Sources], Shape]] = {
    kind: rule for rule, kinds in _TABLE.items() for kind in kinds.split()
}
"""By kind of layer: takes the layer and its inputs' shapes, returns the output's shape."""
