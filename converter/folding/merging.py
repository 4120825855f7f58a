"""Relates the scale on the output of a merging layer to the scales on its branches.

    s x + s y      =  s (x + y)            Add, Subtract, Average; Maximum and Minimum for s > 0
    [s1 x | s2 y]  =  [s1 | s2] [x | y]    Concatenate
    (s x) y        =  s (x y)              Multiply, forward only

A Multiply that a mask reaches takes 1 in place of masked steps, so no scale crosses it.
"""

import numpy as np

from converter.folding.fused_activation import require_positive
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, shortest
from converter.graph import Layer

SUMS = frozenset({"Add", "Subtract", "Average", "Maximum", "Minimum"})

MERGES = SUMS | {"Concatenate", "Multiply"}

Branches = list[Scale | None]
"""The scale on each branch; None for a branch without one."""


def same(layer: Layer, scales: Branches, shapes: list[Shape | None]) -> Scale:
    """The scale that all scaled branches of a layer in ``SUMS`` have in common.

    Raises:
        Refusal: They have different scales; or as ``require_same_for_all``.
    """
    first, *others = [scale for scale in scales if scale is not None]
    if not all(np.array_equal(other, first) for other in others):
        raise Refusal(f"the branches of '{layer.name}' would carry different scales")
    require_same_for_all(layer, first, shapes)
    return first


def require_same_for_all(layer: Layer, scale: Scale, shapes: list[Shape | None]) -> None:
    """Check that a scale on the output of a layer in ``SUMS`` equals the same scale on each branch.

    Raises:
        Refusal: A Maximum or Minimum has a negative scale; or the scale differs along an axis that is broadcast
            in some branch.
    """
    if layer.kind in {"Maximum", "Minimum"}:
        require_positive(layer, scale, f"takes a {layer.kind.lower()}")
    if not scale.ndim:
        return
    _require_one_rank(layer, shapes)
    for axis, size in enumerate(scale.shape, start=-scale.ndim):
        if size != 1 and any(_known(layer, shape)[axis] != size for shape in shapes):
            raise Refusal(f"the scale differs by channel, and a branch of '{layer.name}' is broadcast")


def parts(layer: Layer, scale: Scale, shapes: list[Shape | None]) -> list[Scale]:
    """Split a scale on the output of a Concatenate into the scales on its branches."""
    if not scale.ndim:
        return [scale] * len(shapes)
    axis = _axis(layer, shapes)
    if scale.ndim < -axis or scale.shape[axis] == 1:
        return [scale] * len(shapes)
    sizes = _sizes(layer, shapes, axis)
    if sum(sizes) != scale.shape[axis]:
        raise Refusal(f"the scale does not fit the branches of '{layer.name}'")
    return [shortest(part) for part in np.split(scale, np.cumsum(sizes)[:-1], axis)]


def joined(layer: Layer, scales: Branches, shapes: list[Shape | None]) -> Scale:
    """Join the scales on the branches of a Concatenate into that on its output; a branch without one counts as 1.

    Raises:
        Refusal: A scale does not fit its branch, or the branches' sizes are not known.
    """
    axis = _axis(layer, shapes)
    sizes = _sizes(layer, shapes, axis)
    numbers = [np.asarray(1.0) if scale is None else scale for scale in scales]
    rank = max(-axis, *(each.ndim for each in numbers))
    laid = [each.reshape((1,) * (rank - each.ndim) + each.shape) for each in numbers]
    if any(each.shape[axis] not in {1, size} for each, size in zip(laid, sizes, strict=True)):
        raise Refusal(f"the scale does not fit the branches of '{layer.name}'")
    wide = _common_shape(layer, [each.take([0], axis) for each in laid])
    pieces = [
        np.broadcast_to(each, (*wide[:axis], size, *wide[rank + axis + 1 :]))
        for each, size in zip(laid, sizes, strict=True)
    ]
    return shortest(np.concatenate(pieces, axis))


def _common_shape(layer: Layer, scales: list[Scale]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(scale.shape for scale in scales))
    except ValueError as error:
        raise Refusal(f"the scales on the branches of '{layer.name}' do not fit each other") from error


def product(layer: Layer, scales: Branches, shapes: list[Shape | None], *, masked: bool) -> Scale:
    """The scale on the output of a Multiply that has a scale on exactly one branch.

    Args:
        layer: The Multiply.
        scales: The scales on its branches.
        shapes: The shapes of its branches.
        masked: Whether a mask may reach it: it takes 1 in place of masked values.

    Raises:
        Refusal: A mask may reach it; several branches have a scale; or the scale differs by channel, and the
            branches are not known to have the same rank.
    """
    scale, *others = [scale for scale in scales if scale is not None]
    if masked:
        raise Refusal(f"'{layer.name}' multiplies, and takes ones for what a mask hides")
    if others:
        raise Refusal(f"'{layer.name}' multiplies branches of which {1 + len(others)} carry it")
    if scale.ndim:
        _require_one_rank(layer, shapes)
    return scale


def _require_one_rank(layer: Layer, shapes: list[Shape | None]) -> None:
    if len({len(_known(layer, shape)) for shape in shapes}) != 1:
        raise Refusal(f"the scale differs by channel, and the branches of '{layer.name}' differ in rank")


def _axis(layer: Layer, shapes: list[Shape | None]) -> int:
    """The axis of a Concatenate, counted from the end."""
    axis, rank = layer.config.get("axis", -1), len(_known(layer, shapes[0]))
    if isinstance(axis, int) and 1 <= (axis + rank if axis < 0 else axis) < rank:
        return axis if axis < 0 else axis - rank
    raise Refusal(f"'{layer.name}' joins no axis of a sample")


def _sizes(layer: Layer, shapes: list[Shape | None], axis: int) -> list[int]:
    sizes = [_known(layer, shape)[axis] for shape in shapes]
    known = [size for size in sizes if size is not None]
    if len(known) != len(sizes):
        raise Refusal(f"the sizes at '{layer.name}' are not all known")
    return known


def _known(layer: Layer, shape: Shape | None) -> Shape:
    if shape is None:
        raise Refusal(f"the shape of a branch of '{layer.name}' is not known")
    return shape
