"""Translates TensorFlow functions that join, split, reshape or index tensors, and products of matrices."""

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from converter.description.keras_2.elementwise import Reader
from converter.description.keras_2.operation import (
    ArgumentError,
    Operation,
    axes,
    flag,
    integer,
    integers,
    number,
    op,
    operand,
    require_one_of,
)
from converter.graph import Argument, Ref


def _several(values: Argument) -> list[Argument]:
    """A list of tensors; Keras 2 writes one tensor without its list."""
    return list(values) if isinstance(values, list) else [values]


def _concat(values: Argument, axis: Argument) -> Operation:
    return op("concatenate", _several(values), axis=integer(axis, "axis"))


def _stack(values: Argument, axis: Argument = 0) -> Operation:
    return op("stack", _several(values), axis=integer(axis, "axis"))


def _unstack(value: Argument, num: Argument = None, axis: Argument = 0) -> Operation:
    return op("unstack", value, num=num if num is None else integer(num, "num"), axis=integer(axis, "axis"))


def _split(
    value: Argument, num_or_size_splits: Argument, axis: Argument = 0, num: Argument = None
) -> Operation:
    """Keras also takes the number of equal parts, but positions to cut at instead of the sizes of the parts."""
    del num  # how many sizes there are
    if not isinstance(num_or_size_splits, list):
        return op(
            "split", value, integer(num_or_size_splits, "num_or_size_splits"), axis=integer(axis, "axis")
        )
    sizes = integers(num_or_size_splits, "num_or_size_splits")[:-1]
    if any(size < 0 for size in sizes):
        raise ArgumentError(" with a size -1 before the last, which is not known")
    return Operation("split", (value, list(accumulate(sizes))), {"axis": integer(axis, "axis")})


def _transpose(a: Argument, perm: Argument = None, conjugate: Argument = False) -> Operation:  # noqa: FBT002
    require_one_of(conjugate, (False,), "conjugate")
    return op("transpose", a, axes=perm if perm is None else integers(perm, "perm"))


def _squeeze(x: Argument, axis: Argument = None, squeeze_dims: Argument = None) -> Operation:
    along = axes(axis if squeeze_dims is None else squeeze_dims)
    if along is None or along == []:
        raise ArgumentError(" without an axis, which takes the batch away where it is 1")
    return op("squeeze", x, axis=tuple(along) if isinstance(along, list) else along)


def _expand_dims(x: Argument, axis: Argument = None, dim: Argument = None) -> Operation:
    return op("expand_dims", x, axis=integer(dim if axis is None else axis, "axis"))


def _reshape(tensor: Argument, shape: Argument) -> Operation:
    """A size that is a tensor, such as ``tf.shape(x)[0]``, follows from the others if they are numbers."""
    sizes = list(shape) if isinstance(shape, list | tuple) else shape
    if isinstance(sizes, list) and -1 not in sizes:
        tensors = [position for position, size in enumerate(sizes) if isinstance(size, Ref)]
        if len(tensors) == 1:
            sizes[tensors[0]] = -1
    return op("reshape", tensor, newshape=tuple(integers(sizes, "shape")))


def _shape(x: Argument, out_type: Argument = None) -> Operation:
    """Only for a reshape, which needs none: ``without_unused_sizes`` refuses it elsewhere."""
    del out_type
    return op("shape", x, same_dtype=False)


def _broadcast_to(x: Argument, shape: Argument) -> Operation:
    return op("broadcast_to", x, shape=tuple(integers(shape, "shape")))


def _tile(x: Argument, multiples: Argument) -> Operation:
    return op("tile", x, repeats=tuple(integers(multiples, "multiples")))


def _repeat(x: Argument, repeats: Argument, axis: Argument = None) -> Operation:
    return op(
        "repeat", x, repeats=integer(repeats, "repeats"), axis=axis if axis is None else integer(axis, "axis")
    )


def _reverse(tensor: Argument, axis: Argument) -> Operation:
    return op("flip", tensor, axis=tuple(integers(axis, "axis")))


def _roll(x: Argument, shift: Argument, axis: Argument) -> Operation:
    return op("roll", x, shift=axes(shift, "shift"), axis=axes(axis))


def _pad(
    tensor: Argument, paddings: Argument, mode: Argument = "CONSTANT", constant_values: Argument = 0
) -> Operation:
    if not isinstance(paddings, list):
        integers(paddings, "paddings")
    widths = [integers(pair, "paddings") for pair in paddings]
    lowered = str(mode).lower()
    require_one_of(lowered, ("constant", "reflect", "symmetric"), "mode")
    if lowered != "constant":
        return op("pad", tensor, pad_width=widths, mode=lowered)
    return op("pad", tensor, pad_width=widths, constant_values=number(constant_values, "constant_values"))


def _gather(
    params: Argument,
    indices: Argument,
    axis: Argument = None,
    batch_dims: Argument = 0,
    validate_indices: Argument = None,
) -> Operation:
    del validate_indices  # TensorFlow ignores it
    require_one_of(batch_dims, (0,), "batch_dims")
    return op("take", params, indices, axis=0 if axis is None else integer(axis, "axis"), same_dtype=False)


def _one_hot(
    indices: Argument,
    depth: Argument,
    on_value: Argument = None,
    off_value: Argument = None,
    axis: Argument = -1,
    dtype: Argument = "float32",
) -> Operation:
    require_one_of(1 if on_value is None else on_value, (1,), "on_value")
    require_one_of(0 if off_value is None else off_value, (0,), "off_value")
    options: Any = {
        "num_classes": integer(depth, "depth"),
        "axis": integer(axis, "axis"),
        "dtype": str(dtype),
    }
    return op("one_hot", indices, **options, same_dtype=False)


def _matmul(
    a: Argument,
    b: Argument,
    transpose_a: Argument = False,  # noqa: FBT002  likewise
    transpose_b: Argument = False,  # noqa: FBT002  likewise
    adjoint_a: Argument = False,  # noqa: FBT002  of real numbers: the transpose
    adjoint_b: Argument = False,  # noqa: FBT002  likewise
    a_is_sparse: Argument = False,  # noqa: FBT002  how it is computed
    b_is_sparse: Argument = False,  # noqa: FBT002  likewise
) -> Operation:
    del a_is_sparse, b_is_sparse
    left = _last_axes_swapped(a) if flag(transpose_a, "transpose_a") or flag(adjoint_a, "adjoint_a") else a
    right = _last_axes_swapped(b) if flag(transpose_b, "transpose_b") or flag(adjoint_b, "adjoint_b") else b
    return op("matmul", left, right)


def _last_axes_swapped(matrices: Argument) -> Argument:
    """The matrices with their last two axes swapped."""
    array = operand(matrices)
    if isinstance(array, np.ndarray) and array.ndim > 1:
        return np.swapaxes(array, -1, -2)
    return op("swapaxes", matrices, axis1=-1, axis2=-2)


def _tensordot(a: Argument, b: Argument, axes: Argument) -> Operation:
    if isinstance(axes, list):
        found = [integers(side, "axes") if isinstance(side, list) else integer(side, "axes") for side in axes]
        return op("tensordot", a, b, axes=found)
    return op("tensordot", a, b, axes=integer(axes, "axes"))


def _bias_add(value: Argument, bias: Argument, data_format: Argument = None) -> Operation:
    """The bias lies along the last axis, or the second for ``NC...``."""
    if data_format is None or (isinstance(data_format, str) and data_format.endswith("C")):
        return op("add", value, bias)
    if not isinstance(data_format, str) or not data_format.startswith("NC"):
        require_one_of(data_format, (None,), "data_format")
    moved = op("moveaxis", value, source=1, destination=-1)
    return op("moveaxis", op("add", moved, bias), source=-1, destination=1)


def _crelu(features: Argument, axis: Argument = -1) -> Operation:
    parts = [op("relu", features), op("relu", op("negative", features))]
    return op("concatenate", parts, axis=integer(axis, "axis"))


ARRAYS: Mapping[str, Reader] = {
    "bias_add": _bias_add,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "crelu": _crelu,
    "expand_dims": _expand_dims,
    "gather": _gather,
    "matmul": _matmul,
    "one_hot": _one_hot,
    "pad": _pad,
    "repeat": _repeat,
    "reshape": _reshape,
    "reverse": _reverse,
    "roll": _roll,
    "shape": _shape,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "tensordot": _tensordot,
    "tile": _tile,
    "transpose": _transpose,
    "unstack": _unstack,
}
