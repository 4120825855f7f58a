"""Follows a scale back from a tensor to the layers that make it, or to the scales that it carries already."""

import numpy as np

from converter.folding.graph_view import Walk, passing, require_list, require_plain
from converter.folding.linear import LINEAR
from converter.folding.merging import SUMS, parts, require_same_for_all
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Call, Layer, Ref


def back(walk: Walk, ref: Ref, scale: Scale) -> list[Layer]:
    """The changed layers that make ``scale * tensor`` where ``tensor`` was made.

    Nothing else may take a tensor on the way: it would be scaled too.

    Raises:
        Refusal: There are none.
    """
    changed, pending = [], [(ref, scale)]
    while pending:
        at, part = pending.pop()
        layer, call = _maker(walk, at)
        _require_one_taker(walk, at)
        if layer.kind in LINEAR:
            require_plain(call)
            changed.append(LINEAR[layer.kind].output(layer, part, walk.shapes.get(at)))
        else:
            pending += _sources(walk, layer, call, part)
    return changed


def carriers(walk: Walk, ref: Ref, scale: Scale) -> list[str]:
    """The scales of the model that together put just this one on a tensor.

    Raises:
        Refusal: There are none.
    """
    found, seen = [], {ref: scale}
    pending = [ref]
    while pending:
        at = pending.pop()
        layer, call = _maker(walk, at)
        if layer.name in walk.scales and np.array_equal(walk.carried(layer.name), seen[at]):
            found.append(layer.name)
            continue
        for source, part in _sources(walk, layer, call, seen[at]):
            if source not in seen:
                seen[source] = part
                pending.append(source)
            elif not np.array_equal(seen[source], part):
                raise Refusal(f"two ways from '{source.layer}' would need different scales")
    return found


def _sources(walk: Walk, layer: Layer, call: Call, scale: Scale) -> list[tuple[Ref, Scale]]:
    """The tensors that a layer takes, and the scale that each must get for its output to have this one."""
    if layer.kind in SUMS | {"Concatenate"}:
        require_list(call)
        shapes = walk.shapes_before(call)
        if layer.kind == "Concatenate":
            return list(zip(call.sources, parts(layer, scale, shapes), strict=True))
        require_same_for_all(layer, scale, shapes)
        return [(source, scale) for source in call.sources]
    crossing = passing(layer)
    require_plain(call)
    source, made = call.sources[0], Ref(call.layer, call.index)
    return [(source, crossing.back(layer, scale, walk.shapes.get(source), walk.shapes.get(made)))]


def _maker(walk: Walk, ref: Ref) -> tuple[Layer, Call]:
    """What makes a tensor."""
    calls = walk.calls[ref.layer]
    if not calls:
        raise Refusal(f"'{ref.layer}' is an input of the model")
    if walk.graph.is_output(ref):
        raise Refusal(f"'{ref.layer}' is an output of the model")
    return walk.own(ref.layer), calls[0]


def _require_one_taker(walk: Walk, ref: Ref) -> None:
    if walk.takers[ref] != 1:
        raise Refusal(f"the output of '{ref.layer}' has {walk.takers[ref]} takers")
