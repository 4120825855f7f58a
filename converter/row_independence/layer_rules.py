"""Whether a model works row by row: no row of a batch has a part in the answer to another.

It is a property of each kind of layer and operation, checked with its options and the shapes that it takes. What is
not in the tables is not proved: the user's code, and whatever comes to be built without a row here.
"""

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from converter.activations import Step
from converter.building.custom_layers import AsWritten
from converter.building.formula_models import PLAIN_FUNCTIONS
from converter.description.kinds import IDENTITY_AT_INFERENCE
from converter.graph import Call, Graph, Layer, Ref, refs
from converter.user_code import UsersCode

Shape = tuple[int | None, ...]

_OPERATION = "ops."
_OVER_AN_AXIS = frozenset({"softmax", "log_softmax", "glu", "sparsemax"})
"""Activation functions that work over the last axis; all others work on each number."""


@dataclass(frozen=True)
class _Use:
    """A layer where it is called.

    Attributes:
        layer: The layer.
        given: Its options; of an operation all its arguments, tensors as ``Ref``.
        shapes: Of the tensors that it takes, in order, with the batch.
        rank: Of what it makes.
    """

    layer: Layer
    given: Mapping[str, Any]
    shapes: tuple[Shape, ...]
    rank: int


Rule = Callable[[_Use], bool]


def coupling(graph: Graph, shapes: Mapping[Ref, Shape]) -> str:
    """What keeps a model from being known to work row by row; empty if nothing does.

    Args:
        graph: The model as it is exported.
        shapes: Of all its tensors, with the batch, from ``converter.building.model_builder.build_with_shapes``.
    """
    if any(shapes[ref][:1] != (None,) for _, ref in graph.inputs):
        return "its batch is fixed"
    outputs: dict[tuple[str, int], list[Shape]] = defaultdict(list)
    for ref, shape in shapes.items():
        outputs[ref.layer, ref.call].append(shape)
    for call in graph.calls:
        layer = graph.layers[call.layer]
        taken, made = tuple(shapes[ref] for ref in call.sources), outputs[call.layer, call.index]
        # What begins with another axis than the batch has no rows.
        rows = all(shape[:1] == (None,) for shape in (*taken, *made))
        rank = min(len(shape) for shape in made)
        if not (rows and works_by_row(layer, call, taken, rank)):
            return f"layer '{layer.name}' ({layer.kind.removeprefix(_OPERATION)}) is not known to work row by row"
    return ""


def works_by_row(layer: Layer, call: Call, shapes: tuple[Shape, ...], rank: int) -> bool:
    """Whether one call of a layer keeps rows apart.

    Args:
        layer: The layer.
        call: The call.
        shapes: Of the tensors that it takes, each with the batch in front.
        rank: Of what it makes.
    """
    rule = RULES.get(layer.kind)
    if rule is None or not all(_functions_work_by_row(part, rank) for part in layer.with_parts()):
        return False
    try:
        given = _arguments(layer, call) if layer.kind.startswith(_OPERATION) else layer.config
        if given is layer.config and [*_arrays((call.args, call.kwargs))]:
            return False  # a layer takes them for tensors with a batch
        return rule(_Use(layer, given, shapes, rank))
    except (TypeError, ValueError, IndexError, KeyError):
        return False  # options that nobody foresaw


def _functions_work_by_row(layer: Layer, rank: int) -> bool:
    if any(isinstance(each, UsersCode | AsWritten) for each in layer.activations.values()):
        return False
    steps = [value for value in layer.config.values() if isinstance(value, Step)]
    names = [value for value in layer.config.values() if isinstance(value, str)]
    return all(step.kind in PLAIN_FUNCTIONS for step in steps) and (
        rank > 1 or not _OVER_AN_AXIS.intersection(names)
    )


def _arguments(layer: Layer, call: Call) -> Mapping[str, Any]:
    """All arguments of an operation by name, those left out with their defaults."""
    function = layer.kind.removeprefix(_OPERATION)
    if function == "get_item":
        options = {**layer.config, **call.kwargs}
        return dict(zip(("x", "key"), (*call.args, *options.values()), strict=True))
    bound = inspect.signature(getattr(keras.ops, function)).bind(*call.args, **call.kwargs, **layer.config)
    bound.apply_defaults()
    return bound.arguments


def _always(_: _Use) -> bool:
    """Each row by itself, whatever the options."""
    return True


def _of_rank(least: int) -> Rule:
    """Taken with fewer axes, it would take the batch for one of its own."""
    return lambda use: all(len(shape) >= least for shape in use.shapes)


def _axes(value: Any, rank: int) -> bool:  # noqa: ANN401  a number or several
    """Whether axes are stated and none of them is the batch's."""
    several = value if isinstance(value, list | tuple) else [value]
    return bool(several) and all(isinstance(axis, int) and axis % rank for axis in several)


def _over(option: str, default: int | None = None, more: int = 0) -> Rule:
    """It works over the axes that an option names, counted in what it takes and ``more`` axes."""
    return lambda use: all(_axes(use.given.get(option, default), len(shape) + more) for shape in use.shapes)


def _over_or_none(option: str) -> Rule:
    """Likewise; without the option, over the axes of a row, or none."""
    return lambda use: use.given.get(option) in (None, [], ()) or _over(option)(use)


def _joining(option: str, default: int, more: int = 0) -> Rule:
    """It puts tensors together along an axis."""
    return lambda use: _one_rank(use.shapes) and _over(option, default, more)(use)


def _one_rank(shapes: Iterable[Shape]) -> bool:
    """Whether the batches of several tensors meet when they are stretched to each other."""
    return len({len(shape) for shape in shapes}) == 1


def _merging(use: _Use) -> bool:
    return _one_rank(use.shapes)


def _elementwise(use: _Use) -> bool:
    """Of several tensors of one rank and of constants."""
    constants = [value for value in use.given.values() if not [*refs(value)] and not isinstance(value, str)]
    return _one_rank(use.shapes) and all(_meets_rows(value, len(use.shapes[0])) for value in constants)


def _meets_rows(constant: Any, rank: int) -> bool:  # noqa: ANN401  a number or an array
    """Whether a constant is the same to all rows of a tensor of some rank."""
    return np.ndim(constant) < rank or (np.ndim(constant) == rank and np.shape(constant)[0] == 1)


def _arrays(argument: Any) -> Iterator[Any]:  # noqa: ANN401  arguments of a call
    """The constant arrays in an argument."""
    if isinstance(argument, np.ndarray):
        yield argument
    elif isinstance(argument, list | tuple | Mapping):
        for item in argument.values() if isinstance(argument, Mapping) else argument:
            yield from _arrays(item)


def _by_channel(use: _Use) -> bool:
    """Options may hold a number for each channel, which is another axis than the batch's."""
    lists = [value for value in use.layer.config.values() if isinstance(value, list | tuple)]
    return all(np.ndim(value) < len(use.shapes[0]) for value in lists)


def _einsum(use: _Use) -> bool:
    """The first axis of input and output is one that the kernel does not have."""
    source, _, rest = str(use.given["equation"]).replace(" ", "").partition(",")
    kernel, _, output = rest.partition("->")
    if source.startswith("..."):
        return output.startswith("...") and len(use.shapes[0]) > len(source) - 3
    return output[:1] == source[:1] and source[:1] not in kernel and source.count(source[:1]) == 1


def _dot(use: _Use) -> bool:
    axes = use.given["axes"]
    pair = axes if isinstance(axes, list | tuple) else (axes, axes)
    return all(_axes(axis, len(shape)) for axis, shape in zip(pair, use.shapes, strict=True))


def _stateless(use: _Use) -> bool:
    """Nothing of one batch reaches the next."""
    return not any(part.config.get("stateful") for part in use.layer.with_parts())


def _each_step(use: _Use) -> bool:
    """What is done to each step does not know of steps."""
    shapes = tuple((*shape[:1], *shape[2:]) for shape in use.shapes)
    part = use.layer.config["layer"]
    return works_by_row(part, Call(part.name, 0, ()), shapes, use.rank - 1)


def _reshaped(use: _Use) -> bool:
    """Each row to a shape of its own, with as many numbers."""
    target, (shape,) = use.given["newshape"], use.shapes
    sizes = [size for size in shape[1:] if size is not None]
    whole = len(sizes) == len(shape) - 1 and all(isinstance(size, int) and size > 0 for size in target[1:])
    return whole and target[0] == -1 and math.prod(target[1:]) == math.prod(sizes)


def _transposed(use: _Use) -> bool:
    axes = use.given["axes"]
    return bool(axes) and axes[0] == 0


def _swapped(use: _Use) -> bool:
    return all(_axes(use.given[name], use.rank) for name in ("axis1", "axis2"))


def _moved(use: _Use) -> bool:
    return all(_axes(use.given[name], use.rank) for name in ("source", "destination"))


def _product(use: _Use) -> bool:
    """Of two matrices for each row, or of rows with a constant matrix."""
    if len(use.shapes) > 1:
        return _one_rank(use.shapes) and len(use.shapes[0]) > 2
    return isinstance(use.given["x1"], Ref) and np.ndim(use.given["x2"]) == 2 and len(use.shapes[0]) > 1


def _tiled(use: _Use) -> bool:
    repeats = use.given["repeats"]
    return len(repeats) == len(use.shapes[0]) and repeats[0] == 1


def _padded(use: _Use) -> bool:
    width = use.given["pad_width"]
    return len(width) == len(use.shapes[0]) and [*width[0]] == [0, 0]


def _taken(use: _Use) -> bool:
    return not [*refs(use.given["indices"])] and _over("axis")(use)


def _item(use: _Use) -> bool:
    """All rows, and of each the same places."""
    key = use.given["key"]
    several = key if isinstance(key, list | tuple) else [key]
    plain = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in several)
    axes = sum(isinstance(part, int | slice) for part in several)
    # An ellipsis stands for the batch, and maybe more, unless all axes are named behind it.
    elided = several[0] is Ellipsis and axes < len(use.shapes[0])
    return plain and (elided or several[0] == slice(None))


_LAYERS: Mapping[Rule, str] = {
    _always: f"""
        Dense Embedding Identity Activation Formula Polynomial Flatten Reshape Permute RepeatVector
        Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
        DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
        MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
        AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
        Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
        ActivityRegularization Cropping1D Cropping2D Cropping3D
        ZeroPadding1D ZeroPadding2D ZeroPadding3D UpSampling1D UpSampling2D UpSampling3D
        ReLU LeakyReLU ELU PReLU {" ".join(sorted(IDENTITY_AT_INFERENCE))}""",
    _by_channel: "Rescaling Quotient",
    _einsum: "EinsumDense",
    _over("axis", -1): """
        BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization Softmax""",
    _over_or_none("axis"): "Normalization",
    _of_rank(2): "Masking Discretization CategoryEncoding",
    _of_rank(4): "Resizing CenterCrop",
    _merging: "Add Subtract Multiply Average Maximum Minimum",
    _joining("axis", -1): "Concatenate",
    _dot: "Dot",
    _stateless: "LSTM GRU SimpleRNN RNN Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D",
    _each_step: "TimeDistributed",
    _of_rank(3): "GroupQueryAttention Attention AdditiveAttention",
    _over_or_none("attention_axes"): "MultiHeadAttention",
}

_OPERATIONS: Mapping[Rule, str] = {
    _elementwise: """
        absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil celu clip copy cos cosh divide
        divide_no_nan elu equal erf exp expm1 floor floor_divide gelu greater greater_equal hard_sigmoid hard_silu
        hard_tanh leaky_relu less less_equal log log10 log1p log2 log_sigmoid logaddexp logical_and logical_not
        logical_or maximum minimum mod multiply negative not_equal ones_like power reciprocal relu relu6 round rsqrt
        selu sigmoid sign silu sin sinh softplus softsign sqrt square stop_gradient subtract tan tanh true_divide
        where zeros_like""",
    _over("axis"): """
        all amax amin any argmax argmin cumsum flip glu log_softmax logsumexp max mean min normalize prod repeat
        roll softmax split squeeze std sum var""",
    _over("axis", more=1): "expand_dims one_hot",
    _joining("axis", 0): "concatenate",
    _joining("axis", 0, more=1): "stack",
    _reshaped: "reshape",
    _transposed: "transpose",
    _swapped: "swapaxes",
    _moved: "moveaxis",
    _product: "matmul",
    _tiled: "tile",
    _padded: "pad",
    _taken: "take",
    _item: "get_item",
}

RULES: Mapping[str, Rule] = {
    **{kind: rule for rule, kinds in _LAYERS.items() for kind in kinds.split()},
    **{f"{_OPERATION}{name}": rule for rule, names in _OPERATIONS.items() for name in names.split()},
}
"""Under which condition each kind works row by row."""

UNPROVED = frozenset({"InputLayer", "ops.average", "ops.broadcast_to", "ops.tensordot"})
"""Kinds that are built and have no rule: an input makes rows, and of the others few models have one."""
