"""Infers the shapes of a graph's tensors from the options of its layers.

Folding a per-channel scale needs the position and number of the channels. Keras could infer the shapes too, but
is not used: a model is described without loading Keras. A layer that is not in the table has no known shape.
"""

import math
from collections.abc import Callable, Mapping

from converter.folding.einsum import read_equation
from converter.folding.refusal import Refusal
from converter.folding.scale import Shape
from converter.folding.spatial_shapes import SPATIAL_RULES, Size, Sources
from converter.graph import Graph, Layer, Ref


def infer_shapes(graph: Graph) -> Mapping[Ref, Shape]:
    """The shape, including the batch axis, of every tensor for which it can be inferred."""
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
        return None  # malformed options: building the layer reports them with a better message


def _same(_: Layer, sources: Sources) -> Shape:
    return sources[0]


def _by_channel(layer: Layer, sources: Sources) -> Shape | None:
    """Per-channel options must have as many numbers as there are channels; others would broadcast the last axis."""
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
    """Sizes of 1 are broadcast; shapes of different ranks give no known shape."""
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
    _flattened: "Flatten",
    _reshaped: "Reshape",
    _permuted: "Permute",
    _repeated: "RepeatVector",
    _merged: "Add Subtract Average Multiply Maximum Minimum",
    _concatenated: "Concatenate",
}

_RULES: dict[str, Callable[[Layer, Sources], Shape | None]] = {
    **SPATIAL_RULES,
    **{kind: rule for rule, kinds in _TABLE.items() for kind in kinds.split()},
}
