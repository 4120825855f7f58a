"""Translates TensorFlow functions that slice a tensor to Python's item access.

For example:

    strided_slice(x, [0, 1], [0, 5], [1, 2], begin_mask=1, end_mask=1)  ->  x[:, 1:5:2]

Positions that are tensors are refused.
"""

from collections.abc import Mapping
from typing import Any

from converter.description.keras_2.elementwise import Reader
from converter.description.keras_2.operation import (
    ArgumentError,
    Operation,
    integer,
    integers,
    require_one_of,
)
from converter.graph import Argument

_PARTS = ("start", "stop", "step")


def _item(x: Argument, key: list[Any]) -> Operation:
    return Operation("get_item", (x, key))


def _getitem(x: Argument, slice_spec: Argument = None) -> Operation:
    """One key or a list of keys: a position, a slice as an object, None for a new axis, or an ellipsis."""
    return _item(x, [_key(key) for key in (slice_spec if isinstance(slice_spec, list) else [slice_spec])])


def _key(key: Argument) -> Argument:
    if isinstance(key, Mapping):
        if set(key) != set(_PARTS):
            raise ArgumentError(" with a slice that is written in an unknown way")
        return slice(*(None if key[part] is None else integer(key[part], part) for part in _PARTS))
    return key if key is None or key is Ellipsis else integer(key, "slice_spec")


def _slice(x: Argument, begin: Argument, size: Argument) -> Operation:
    """``size`` elements from ``begin`` on; -1 is all that are left."""
    starts, sizes = integers(begin, "begin"), integers(size, "size")
    if len(starts) != len(sizes):
        raise ArgumentError(" with begin and size of different lengths")
    return _item(
        x,
        [
            slice(start, None if length == -1 else start + length)
            for start, length in zip(starts, sizes, strict=True)
        ],
    )


def _strided_slice(
    x: Argument,
    begin: Argument,
    end: Argument,
    strides: Argument = None,
    begin_mask: Argument = 0,
    end_mask: Argument = 0,
    ellipsis_mask: Argument = 0,
    new_axis_mask: Argument = 0,
    shrink_axis_mask: Argument = 0,
) -> Operation:
    """Bit k of a mask applies to axis k: no start, no end, or a position instead of a slice."""
    require_one_of(ellipsis_mask, (0,), "ellipsis_mask")
    require_one_of(new_axis_mask, (0,), "new_axis_mask")
    starts, stops = integers(begin, "begin"), integers(end, "end")
    steps = [1] * len(starts) if strides is None else integers(strides, "strides")
    no_start, no_stop = integer(begin_mask, "begin_mask"), integer(end_mask, "end_mask")
    position = integer(shrink_axis_mask, "shrink_axis_mask")

    def key(axis: int) -> int | slice:
        if position >> axis & 1:
            return starts[axis]
        start = None if no_start >> axis & 1 else starts[axis]
        stop = None if no_stop >> axis & 1 else stops[axis]
        return slice(start, stop, steps[axis])

    if not len(starts) == len(stops) == len(steps):
        raise ArgumentError(" with begin, end and strides of different lengths")
    return _item(x, [key(axis) for axis in range(len(starts))])


SLICES: Mapping[str, Reader] = {"getitem": _getitem, "slice": _slice, "strided_slice": _strided_slice}
