"""Conditions under which a layer or operation works row by row: on its options and the shapes of its inputs."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.graph import Layer, Ref, refs

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class LayerUse:
    """One call of a layer or operation.

    Attributes:
        layer: The layer.
        given: The options of a layer; all arguments of an operation, tensors as ``Ref``.
        shapes: Shapes of its input tensors, in order, batch included.
        rank: Rank of its output.
    """

    layer: Layer
    given: Mapping[str, Any]
    shapes: tuple[Shape, ...]
    rank: int


Rule = Callable[[LayerUse], bool]


def always(_: LayerUse) -> bool:
    """Works on each row by itself, whatever the options."""
    return True


def of_rank(least: int) -> Rule:
    """Its inputs have at least so many axes; with fewer, it would treat the batch as one of its own axes."""
    return lambda use: all(len(shape) >= least for shape in use.shapes)


def _axes(value: Any, rank: int) -> bool:  # noqa: ANN401  a number or several
    """Whether axes are given and none of them is the batch."""
    several = value if isinstance(value, list | tuple) else [value]
    return bool(several) and all(isinstance(axis, int) and axis % rank for axis in several)


def over_axis(option: str, default: int | None = None, more: int = 0) -> Rule:
    """Works over the axes that an option names, counted in the input shape plus ``more`` axes."""
    return lambda use: all(_axes(use.given.get(option, default), len(shape) + more) for shape in use.shapes)


def over_axis_or_none(option: str) -> Rule:
    """Like ``over_axis``; without the option it works over the axes of a row, or none."""
    return lambda use: use.given.get(option) in (None, [], ()) or over_axis(option)(use)


def joining_along(option: str, default: int, more: int = 0) -> Rule:
    """Joins tensors along an axis."""
    return lambda use: one_rank(use.shapes) and over_axis(option, default, more)(use)


def one_rank(shapes: Iterable[Shape]) -> bool:
    """Whether several tensors have one rank, so that broadcasting aligns their batches."""
    return len({len(shape) for shape in shapes}) == 1


def merging(use: LayerUse) -> bool:
    """Combines tensors of one rank."""
    return one_rank(use.shapes)


def elementwise(use: LayerUse) -> bool:
    """Works element by element on tensors of one rank and constants."""
    constants = [value for value in use.given.values() if not [*refs(value)] and not isinstance(value, str)]
    return one_rank(use.shapes) and all(_meets_rows(value, len(use.shapes[0])) for value in constants)


def _meets_rows(constant: Any, rank: int) -> bool:  # noqa: ANN401  a number or an array
    """Whether a constant is the same for all rows of a tensor of this rank."""
    return np.ndim(constant) < rank or (np.ndim(constant) == rank and np.shape(constant)[0] == 1)


def per_channel(use: LayerUse) -> bool:
    """Its options hold one number for each channel at most, and the channels are not the batch."""
    lists = [value for value in use.layer.config.values() if isinstance(value, list | tuple)]
    return all(np.ndim(value) < len(use.shapes[0]) for value in lists)


def einsum(use: LayerUse) -> bool:
    """The first axis of input and output is the same, and the kernel does not have it."""
    source, _, rest = str(use.given["equation"]).replace(" ", "").partition(",")
    kernel, _, output = rest.partition("->")
    if source.startswith("..."):
        return output.startswith("...") and len(use.shapes[0]) > len(source) - 3
    return output[:1] == source[:1] and source[:1] not in kernel and source.count(source[:1]) == 1


def dot(use: LayerUse) -> bool:
    """Contracts axes other than the batch."""
    axes = use.given["axes"]
    pair = axes if isinstance(axes, list | tuple) else (axes, axes)
    return all(_axes(axis, len(shape)) for axis, shape in zip(pair, use.shapes, strict=True))


def stateless(use: LayerUse) -> bool:
    """Keeps no state from one batch to the next."""
    return not any(part.config.get("stateful") for part in use.layer.with_parts())


def reshape(use: LayerUse) -> bool:
    """Reshapes each row, keeping its number of elements."""
    target, (shape,) = use.given["newshape"], use.shapes
    sizes = [size for size in shape[1:] if size is not None]
    whole = len(sizes) == len(shape) - 1 and all(isinstance(size, int) and size > 0 for size in target[1:])
    return whole and target[0] == -1 and math.prod(target[1:]) == math.prod(sizes)


def transpose(use: LayerUse) -> bool:
    """Leaves the batch first."""
    axes = use.given["axes"]
    return bool(axes) and axes[0] == 0


def swapaxes(use: LayerUse) -> bool:
    """Swaps axes other than the batch."""
    return all(_axes(use.given[name], use.rank) for name in ("axis1", "axis2"))


def moveaxis(use: LayerUse) -> bool:
    """Moves axes other than the batch."""
    return all(_axes(use.given[name], use.rank) for name in ("source", "destination"))


def matmul(use: LayerUse) -> bool:
    """Multiplies two matrices for each row, or rows by a constant matrix."""
    if len(use.shapes) > 1:
        return one_rank(use.shapes) and len(use.shapes[0]) > 2
    return isinstance(use.given["x1"], Ref) and np.ndim(use.given["x2"]) == 2 and len(use.shapes[0]) > 1


def tile(use: LayerUse) -> bool:
    """Repeats along axes other than the batch."""
    repeats = use.given["repeats"]
    return len(repeats) == len(use.shapes[0]) and repeats[0] == 1


def pad(use: LayerUse) -> bool:
    """Pads axes other than the batch."""
    width = use.given["pad_width"]
    return len(width) == len(use.shapes[0]) and [*width[0]] == [0, 0]


def take(use: LayerUse) -> bool:
    """Takes constant places along an axis other than the batch."""
    return not [*refs(use.given["indices"])] and over_axis("axis")(use)


def get_item(use: LayerUse) -> bool:
    """Takes all rows, and the same elements of each."""
    key = use.given["key"]
    several = key if isinstance(key, list | tuple) else [key]
    plain = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in several)
    axes = sum(isinstance(part, int | slice) for part in several)
    # An ellipsis stands for the batch, and maybe more axes, unless all axes are named behind it.
    elided = several[0] is Ellipsis and axes < len(use.shapes[0])
    return plain and (elided or several[0] == slice(None))
