"""Propagates a scale backward from a tensor: into the layers that produce it, or to scales that are already on it."""

import numpy as np

from converter.folding.graph_view import GraphView, propagation_rule, require_list, require_plain
from converter.folding.linear import LINEAR
from converter.folding.merging import SUMS, parts, require_same_for_all
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Call, Layer, Ref


def propagate_backward(view: GraphView, ref: Ref, scale: Scale) -> list[Layer]:
    """Fold a scale into the linear layers that produce a tensor.

    No tensor on the way may have another consumer, which would receive scaled values too.

    Returns:
        The changed layers, with which the model computes ``scale * tensor`` in place of ``tensor``.

    Raises:
        Refusal: The scale cannot be folded backward.
    """
    changed, pending = [], [(ref, scale)]
    while pending:
        at, part = pending.pop()
        layer, call = _producer(view, at)
        _require_one_consumer(view, at)
        if layer.kind in LINEAR:
            require_plain(call)
            changed.append(LINEAR[layer.kind].output(layer, part, view.shapes.get(at)))
        else:
            pending += _sources(view, layer, call, part)
    return changed


def upstream_scales(view: GraphView, ref: Ref, scale: Scale) -> list[str]:
    """Find the Rescaling layers upstream of a tensor that together multiply it by exactly this scale.

    Raises:
        Refusal: There are no such layers.
    """
    found, seen = [], {ref: scale}
    pending = [ref]
    while pending:
        at = pending.pop()
        layer, call = _producer(view, at)
        if layer.name in view.scales and np.array_equal(view.scale_of(layer.name), seen[at]):
            found.append(layer.name)
            continue
        for source, part in _sources(view, layer, call, seen[at]):
            if source not in seen:
                seen[source] = part
                pending.append(source)
            elif not np.array_equal(seen[source], part):
                raise Refusal(f"two ways from '{source.layer}' would need different scales")
    return found


def _sources(view: GraphView, layer: Layer, call: Call, scale: Scale) -> list[tuple[Ref, Scale]]:
    """A layer's inputs, each with the scale that it needs for the output to have the given scale."""
    if layer.kind in SUMS | {"Concatenate"}:
        require_list(call)
        shapes = view.shapes_before(call)
        if layer.kind == "Concatenate":
            return list(zip(call.sources, parts(layer, scale, shapes), strict=True))
        require_same_for_all(layer, scale, shapes)
        return [(source, scale) for source in call.sources]
    crossing = propagation_rule(layer)
    require_plain(call)
    source, made = call.sources[0], Ref(call.layer, call.index)
    return [(source, crossing.backward(layer, scale, view.shapes.get(source), view.shapes.get(made)))]


def _producer(view: GraphView, ref: Ref) -> tuple[Layer, Call]:
    """The layer and the call that produce a tensor."""
    calls = view.calls[ref.layer]
    if not calls:
        raise Refusal(f"'{ref.layer}' is an input of the model")
    if view.graph.is_output(ref):
        raise Refusal(f"'{ref.layer}' is an output of the model")
    return view.foldable_layer(ref.layer), calls[0]


def _require_one_consumer(view: GraphView, ref: Ref) -> None:
    if view.consumer_counts[ref] != 1:
        raise Refusal(f"the output of '{ref.layer}' has {view.consumer_counts[ref]} consumers")
