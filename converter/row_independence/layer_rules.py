"""Whether a model works row by row: no row of a batch has an influence on the output for another.

This depends on the kind of each layer and operation, on its options and on the shapes of its inputs. Whatever is not
in the tables counts as not proved: the user's code, and any kind that is supported without an entry here.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from converter.activations import Step
from converter.building.custom_layers import AsWritten
from converter.building.formula_models import FORMULA_MODELS
from converter.description.supported_layers import IDENTITY_AT_INFERENCE
from converter.graph import Call, Graph, Layer, Ref
from converter.row_independence import rules
from converter.user_code import UserCode

_OPERATION = "ops."
_OVER_AN_AXIS = frozenset({"softmax", "log_softmax", "glu", "sparsemax"})
"""Activation functions that work over the last axis; all others work element by element."""


def coupling(graph: Graph, shapes: Mapping[Ref, rules.Shape]) -> str:
    """Why a model is not known to work row by row; empty if it is.

    Args:
        graph: The model as it is exported.
        shapes: Shapes of all its tensors, batch included, from ``model_builder.build_with_shapes``.
    """
    if any(shapes[ref][:1] != (None,) for _, ref in graph.inputs):
        return "its batch is fixed"
    outputs: dict[tuple[str, int], list[rules.Shape]] = defaultdict(list)
    for ref, shape in shapes.items():
        outputs[ref.layer, ref.call].append(shape)
    for call in graph.calls:
        layer = graph.layers[call.layer]
        taken, made = tuple(shapes[ref] for ref in call.sources), outputs[call.layer, call.index]
        # A tensor whose first axis is not the batch has no rows.
        rows = all(shape[:1] == (None,) for shape in (*taken, *made))
        rank = min(len(shape) for shape in made)
        if not (rows and works_by_row(layer, call, taken, rank)):
            return f"layer '{layer.name}' ({layer.kind.removeprefix(_OPERATION)}) is not known to work row by row"
    return ""


def works_by_row(layer: Layer, call: Call, shapes: tuple[rules.Shape, ...], rank: int) -> bool:
    """Whether one call of a layer works row by row.

    Args:
        layer: The layer.
        call: The call.
        shapes: Shapes of its input tensors, each with the batch in front.
        rank: Rank of its output.
    """
    rule = RULES.get(layer.kind)
    if rule is None or not all(_functions_work_by_row(part, rank) for part in layer.with_parts()):
        return False
    try:
        given = _arguments(layer, call) if layer.kind.startswith(_OPERATION) else layer.config
        if given is layer.config and [*_arrays((call.args, call.kwargs))]:
            return False  # a layer treats them as tensors with a batch
        return rule(rules.LayerUse(layer, given, shapes, rank))
    except (TypeError, ValueError, IndexError, KeyError):
        return False  # unexpected options


def _functions_work_by_row(layer: Layer, rank: int) -> bool:
    if any(isinstance(each, UserCode | AsWritten) for each in layer.activations.values()):
        return False
    steps = [value for value in layer.config.values() if isinstance(value, Step)]
    names = [value for value in layer.config.values() if isinstance(value, str)]
    return all(step.kind in FORMULA_MODELS for step in steps) and (
        rank > 1 or not _OVER_AN_AXIS.intersection(names)
    )


def _arguments(layer: Layer, call: Call) -> Mapping[str, Any]:
    """All arguments of an operation by name, defaults included."""
    function = layer.kind.removeprefix(_OPERATION)
    if function == "get_item":
        options = {**layer.config, **call.kwargs}
        return dict(zip(("x", "key"), (*call.args, *options.values()), strict=True))
    bound = inspect.signature(getattr(keras.ops, function)).bind(*call.args, **call.kwargs, **layer.config)
    bound.apply_defaults()
    return bound.arguments


def _arrays(argument: Any) -> Iterator[Any]:  # noqa: ANN401  arguments of a call
    """Yield the constant arrays in an argument."""
    if isinstance(argument, np.ndarray):
        yield argument
    elif isinstance(argument, list | tuple | Mapping):
        for item in argument.values() if isinstance(argument, Mapping) else argument:
            yield from _arrays(item)


def _each_step(use: rules.LayerUse) -> bool:
    """The layer that is applied to each step works row by row."""
    shapes = tuple((*shape[:1], *shape[2:]) for shape in use.shapes)
    part = use.layer.config["layer"]
    return works_by_row(part, Call(part.name, 0, ()), shapes, use.rank - 1)


_LAYERS: Mapping[rules.Rule, str] = {
    rules.always: f"""
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
    rules.per_channel: "Rescaling Quotient",
    rules.einsum: "EinsumDense",
    rules.over_axis("axis", -1): """
        BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization Softmax""",
    rules.over_axis_or_none("axis"): "Normalization",
    rules.of_rank(2): "Masking Discretization CategoryEncoding",
    rules.of_rank(4): "Resizing CenterCrop",
    rules.merging: "Add Subtract Multiply Average Maximum Minimum",
    rules.joining_along("axis", -1): "Concatenate",
    rules.dot: "Dot",
    rules.stateless: "LSTM GRU SimpleRNN RNN Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D",
    _each_step: "TimeDistributed",
    rules.of_rank(3): "GroupQueryAttention Attention AdditiveAttention",
    rules.over_axis_or_none("attention_axes"): "MultiHeadAttention",
}

_OPERATIONS: Mapping[rules.Rule, str] = {
    rules.elementwise: """
        absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh ceil celu clip copy cos cosh divide
        divide_no_nan elu equal erf exp expm1 floor floor_divide gelu greater greater_equal hard_sigmoid hard_silu
        hard_tanh leaky_relu less less_equal log log10 log1p log2 log_sigmoid logaddexp logical_and logical_not
        logical_or maximum minimum mod multiply negative not_equal ones_like power reciprocal relu relu6 round rsqrt
        selu sigmoid sign silu sin sinh softplus softsign sqrt square stop_gradient subtract tan tanh true_divide
        where zeros_like""",
    rules.over_axis("axis"): """
        all amax amin any argmax argmin cumsum flip glu log_softmax logsumexp max mean min normalize prod repeat
        roll softmax split squeeze std sum var""",
    rules.over_axis("axis", more=1): "expand_dims one_hot",
    rules.joining_along("axis", 0): "concatenate",
    rules.joining_along("axis", 0, more=1): "stack",
    rules.reshape: "reshape",
    rules.transpose: "transpose",
    rules.swapaxes: "swapaxes",
    rules.moveaxis: "moveaxis",
    rules.matmul: "matmul",
    rules.tile: "tile",
    rules.pad: "pad",
    rules.take: "take",
    rules.get_item: "get_item",
}

RULES: Mapping[str, rules.Rule] = {
    **{kind: rule for rule, kinds in _LAYERS.items() for kind in kinds.split()},
    **{f"{_OPERATION}{name}": rule for rule, names in _OPERATIONS.items() for name in names.split()},
}
"""The condition under which each kind works row by row."""

UNPROVED = frozenset({"InputLayer", "ops.average", "ops.broadcast_to", "ops.tensordot"})
"""Supported kinds without a rule: an input makes the rows, and the others are rare."""
