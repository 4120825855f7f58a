"""Propagates a scale forward from a tensor to all its consumers, and through them, until linear layers absorb it.

    y = g z                                         y = z
    w = sigmoid(B relu(A mean(y)))      becomes     w = sigmoid(B relu((A g) mean(y)))
    C (y w)                                         (C g) (y w)

Every consumer must absorb the scale or pass it on; if one does neither, nothing is changed. Where a sum needs the
same scale on another branch, the scales on that branch are removed with this one, and all are propagated together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.folding.backward import upstream_scales
from converter.folding.graph_view import GraphView, propagation_rule, require_list, require_plain
from converter.folding.linear import LINEAR
from converter.folding.merging import MERGES, SUMS, joined, product, same
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Call, Layer, Ref

Removed = Mapping[str, Scale]
"""The scales to remove, by layer name; first the one that was asked for."""


@dataclass(frozen=True)
class _Plan:
    """The consequences of removing some scales.

    Attributes:
        missing: For each affected tensor, the factor that its values will lack.
        absorbed: The calls of the linear layers that absorb the missing scale.
        also_removed: Further scales that must be removed; if there are any, the plan must be made again with them.
    """

    missing: dict[Ref, Scale] = field(default_factory=dict)
    absorbed: list[Call] = field(default_factory=list)
    also_removed: list[str] = field(default_factory=list)


def propagate_forward(view: GraphView, name: str) -> tuple[list[Layer], list[str]]:
    """Fold a scale into the linear layers downstream of it.

    Returns:
        The changed layers, and the scales to remove: this one, and those on the other branches of sums.

    Raises:
        Refusal: The scale cannot be folded forward.
    """
    removed = {name: view.scale_of(name)}
    plan = _plan(view, removed)
    while plan.also_removed:
        removed |= {each: view.scale_of(each) for each in plan.also_removed}
        plan = _plan(view, removed)
    return [_absorbed_into(view, call, plan) for call in plan.absorbed], list(removed)


def _plan(view: GraphView, removed: Removed) -> _Plan:
    """Propagate the scales through all calls, in the order in which they are computed."""
    plan = _Plan()
    try:
        for call in view.graph.calls:
            _record(view, call, plan, removed)
    except Refusal:
        if not plan.also_removed:  # once those are removed too, folding may succeed
            raise
    return plan


def _record(view: GraphView, call: Call, plan: _Plan, removed: Removed) -> None:
    """Record in the plan what a call does with the scales on its inputs."""
    made, reached = Ref(call.layer, call.index), any(source in plan.missing for source in call.sources)
    if call.layer in removed:
        if reached:
            raise Refusal(f"'{call.layer}' and a scale before it would both have to go")
        plan.missing[made] = removed[call.layer]
    elif not reached:
        return
    elif view.foldable_layer(call.layer).kind in LINEAR:
        require_plain(call)
        plan.absorbed.append(call)
        return
    else:
        plan.missing[made] = _crossed(view, call, plan, removed)
    _require_consumed(view, made, removed)


def _absorbed_into(view: GraphView, call: Call, plan: _Plan) -> Layer:
    layer, source = view.graph.layers[call.layer], call.sources[0]
    return LINEAR[layer.kind].input(layer, plan.missing[source], view.shapes.get(source))


def _crossed(view: GraphView, call: Call, plan: _Plan, removed: Removed) -> Scale:
    """The scale on the output of a layer that has scales on its inputs."""
    layer, shapes = view.graph.layers[call.layer], view.shapes_before(call)
    scales = [plan.missing.get(source) for source in call.sources]
    if layer.kind in MERGES:
        require_list(call)
    if layer.kind in SUMS:
        scale = same(layer, scales, shapes)
        plan.also_removed.extend(_scales_on_other_branches(view, call, plan, scale, removed))
        return scale
    if layer.kind == "Concatenate":
        return joined(layer, scales, shapes)
    if layer.kind == "Multiply":
        return product(layer, scales, shapes, masked=view.may_have_masks)
    crossing = propagation_rule(layer)
    require_plain(call)
    after = view.shapes.get(Ref(call.layer, call.index))
    return crossing.forward(layer, plan.missing[call.sources[0]], shapes[0], after)


def _scales_on_other_branches(
    view: GraphView, call: Call, plan: _Plan, scale: Scale, removed: Removed
) -> list[str]:
    """The scales on those branches of a sum that no removed scale reaches."""
    bare = [source for source in call.sources if source not in plan.missing]
    try:
        found = dict.fromkeys(name for source in bare for name in upstream_scales(view, source, scale))
    except Refusal as refusal:
        raise Refusal(f"another branch of '{call.layer}' does not carry it: {refusal}") from refusal
    missing = [name for name in found if name not in removed]
    if bare and not missing:
        raise Refusal(f"another branch of '{call.layer}' does not carry it")
    return missing


def _require_consumed(view: GraphView, ref: Ref, removed: Removed) -> None:
    """Check that only layers consume a tensor. In the refusal, "it" is the scale that was asked for."""
    if view.graph.is_output(ref):
        said = "it" if ref.layer == next(iter(removed)) else f"'{ref.layer}'"
        raise Refusal(f"{said} is an output of the model")
    if not view.consumer_counts[ref]:
        raise Refusal(f"the output of '{ref.layer}' has 0 consumers")
