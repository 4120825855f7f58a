"""The shapes of a graph's tensors, from the options of its layers alone.

A scale per channel must know where the channels go. Keras would know the shapes too, but is not asked:
describing a model reads it without loading Keras. What is not in the table has no known shape.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from converter.folding.einsum import read_equation
from converter.folding.refusal import Refusal
from converter.folding.scale import Shape
from converter.graph import Graph, Layer, Ref

Sources = list[Shape]
Size = int | None


def shapes_of(graph: Graph) -> Mapping[Ref, Shape]:
    """The shape, with the batch, of every tensor where it can be known."""
    known = {ref: tuple(graph.layers[ref.layer].config["batch_shape"]) for _, ref in graph.inputs}
    for call in graph.calls:
        sources = [known[ref] for ref in call.sources if ref in known]
        layer = graph.layers[call.layer]
        if sources and len(sources) == len(call.sources) and layer.kind in _RULES:
            shape = _shape(layer, sources)
            if shape is not None:
                known[Ref(call.layer, call.index)] = shape
    return known


def _shape(layer: Layer, sources: Sources) -> Shape | None:
    try:
        return _RULES[layer.kind](layer, sources)
    except (Refusal, TypeError, ValueError, KeyError, IndexError, ZeroDivisionError):
        return None  # the options are malformed, which building the layer will say better


def _same(_: Layer, sources: Sources) -> Shape:
    return sources[0]


def _by_channel(layer: Layer, sources: Sources) -> Shape | None:
    """Numbers per channel must be as many as there are channels; others would stretch the last axis."""
    counts = {len(value) for value in layer.config.values() if isinstance(value, list)}
    return sources[0] if counts <= {sources[0][-1]} else None


def _dense(layer: Layer, sources: Sources) -> Shape:
    return (*sources[0][:-1], layer.config["units"])


def _embedding(layer: Layer, sources: Sources) -> Shape:
    return (*sources[0], layer.config["output_dim"])


def _einsum(layer: Layer, sources: Sources) -> Shape:
    equation, source = read_equation(layer), sources[0]
    elided = len(source) - len(equation.input)
    sizes: dict[str, Size] = dict(zip(equation.kernel, layer.weights["vars/0"].shape, strict=True))
    sizes |= dict(zip(equation.input, source[elided:], strict=True))
    return (*source[:elided], *(sizes[axis] for axis in equation.output))


def _recurrent(layer: Layer, sources: Sources) -> Shape | None:
    if layer.config.get("return_state"):
        return None
    steps = sources[0][1:2] if layer.config.get("return_sequences") else ()
    return (sources[0][0], *steps, layer.config["units"])


def _first(layer: Layer) -> bool:
    return layer.config.get("data_format") == "channels_first"


def _with_space(
    layer: Layer, source: Shape, change: Callable[[int, int], Size], channels: Size = None
) -> Shape:
    """A shape with each known spatial size replaced by change(axis number, size), and perhaps the channels."""
    space = source[2:] if _first(layer) else source[1:-1]
    sizes = [None if size is None else change(number, size) for number, size in enumerate(space)]
    kept = channels if channels is not None else source[1 if _first(layer) else -1]
    return (source[0], kept, *sizes) if _first(layer) else (source[0], *sizes, kept)


def _each(value: Any, number: int) -> Any:  # noqa: ANN401  a plain value
    """An option given once for all axes, or once for each."""
    return value[number] if isinstance(value, list | tuple) else value


def _window(size: int, window: int, stride: int, padding: str) -> int:
    """How many places a window takes."""
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
    return (shape[0], channels, *shape[2:]) if _first(layer) else (*shape[:-1], channels)


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
    return (sources[0][0], sources[0][1 if _first(layer) else -1])


def _edges(value: Any, number: int, dimensions: int) -> int:  # noqa: ANN401  a plain value
    """Both edges of one axis together, from ``1``, ``[1, 2]`` or ``[[1, 2], [3, 4]]``."""
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


def _flattened(_: Layer, sources: Sources) -> Shape:
    batch, *rest = sources[0]
    sizes = [size for size in rest if size is not None]
    return (batch, math.prod(sizes) if len(sizes) == len(rest) else None)


def _reshaped(layer: Layer, sources: Sources) -> Shape:
    batch, *rest = sources[0]
    target = list(layer.config["target_shape"])
    if -1 in target:
        count = _flattened(layer, [(batch, *rest)])[1]
        others = math.prod(size for size in target if size != -1)
        target[target.index(-1)] = None if count is None else count // others
    return (batch, *target)


def _permuted(layer: Layer, sources: Sources) -> Shape:
    return (sources[0][0], *(sources[0][dim] for dim in layer.config["dims"]))


def _repeated(layer: Layer, sources: Sources) -> Shape:
    return (sources[0][0], layer.config["n"], sources[0][-1])


def _merged(_: Layer, sources: Sources) -> Shape | None:
    """Sizes of 1 stretch to the other's; shapes of several ranks are left."""
    if len({len(source) for source in sources}) != 1:
        return None
    stretched = []
    for sizes in zip(*sources, strict=True):
        larger = {size for size in sizes if size != 1}
        stretched.append(larger.pop() if len(larger) == 1 else None if larger else 1)
    return tuple(stretched)


def _concatenated(layer: Layer, sources: Sources) -> Shape:
    axis = layer.config.get("axis", -1)
    shape = list(sources[0])
    sizes = [source[axis] for source in sources]
    known = [size for size in sizes if size is not None]
    shape[axis] = sum(known) if len(known) == len(sizes) else None
    return tuple(shape)


_TABLE: dict[Callable[[Layer, Sources], Shape | None], str] = {
    _same: """
        Activation Polynomial Formula Identity Masking Normalization
        Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
        ActivityRegularization ReLU LeakyReLU ELU PReLU Softmax
        BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization""",
    _by_channel: "Rescaling Quotient",
    _dense: "Dense",
    _embedding: "Embedding",
    _einsum: "EinsumDense",
    _recurrent: "LSTM GRU SimpleRNN",
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
    _flattened: "Flatten",
    _reshaped: "Reshape",
    _permuted: "Permute",
    _repeated: "RepeatVector",
    _merged: "Add Subtract Average Multiply Maximum Minimum",
    _concatenated: "Concatenate",
}

_RULES: dict[str, Callable[[Layer, Sources], Shape | None]] = {
    kind: rule for rule, kinds in _TABLE.items() for kind in kinds.split()
}
