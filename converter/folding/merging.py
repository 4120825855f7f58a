"""Layers that merge branches, and what a scale on their output asks of each branch.

    s (x + y)        =  s x + s y              Add, Subtract, Average; Maximum and Minimum for s > 0
    [s1 | s2] [x|y]  =  [s1 x | s2 y]          Concatenate

Multiply is not here: where masks reach it, it puts ones in the place of masked steps.
"""

import numpy as np

from converter.folding.fused import require_positive
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape, shortest
from converter.graph import Layer

SUMS = frozenset({"Add", "Subtract", "Average", "Maximum", "Minimum"})


def require_same_for_all(layer: Layer, scale: Scale, shapes: list[Shape | None]) -> None:
    """Check that a scale on the output of one of ``SUMS`` is the same scale on each branch.

    Raises:
        Refusal: Its sign does not suit; or it differs along an axis that not every branch has in full.
    """
    if layer.kind in {"Maximum", "Minimum"}:
        require_positive(layer, scale, f"takes a {layer.kind.lower()}")
    if not scale.ndim:
        return
    ranks = {len(_known(layer, shape)) for shape in shapes}
    if len(ranks) != 1:
        raise Refusal(f"the scale differs by channel, and the branches of '{layer.name}' differ in rank")
    for axis, size in enumerate(scale.shape, start=-scale.ndim):
        if size != 1 and any(_known(layer, shape)[axis] != size for shape in shapes):
            raise Refusal(f"the scale differs by channel, and a branch of '{layer.name}' is broadcast")


def parts(layer: Layer, scale: Scale, shapes: list[Shape | None]) -> list[Scale]:
    """What each branch of a Concatenate gets of a scale on its output."""
    if not scale.ndim:
        return [scale] * len(shapes)
    axis = _axis(layer, shapes)
    if scale.ndim < -axis or scale.shape[axis] == 1:
        return [scale] * len(shapes)
    sizes = _sizes(layer, shapes, axis)
    if sum(sizes) != scale.shape[axis]:
        raise Refusal(f"the scale does not fit the branches of '{layer.name}'")
    return [shortest(part) for part in np.split(scale, np.cumsum(sizes)[:-1], axis)]


def joined(layer: Layer, scale: Scale, shapes: list[Shape | None], branch: int) -> Scale:
    """The scale on the output of a Concatenate of which one branch alone carries a scale."""
    axis = _axis(layer, shapes)
    sizes = _sizes(layer, shapes, axis)
    rank = max(scale.ndim, -axis)
    own = scale.reshape((1,) * (rank - scale.ndim) + scale.shape)

    def laid(number: int, size: int) -> Scale:
        wide = (*own.shape[:axis], size, *own.shape[rank + axis + 1 :])
        return np.broadcast_to(own if number == branch else np.asarray(1.0), wide)

    if own.shape[axis] not in {1, sizes[branch]}:
        raise Refusal(f"the scale does not fit the branches of '{layer.name}'")
    return shortest(np.concatenate([laid(*item) for item in enumerate(sizes)], axis))


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
