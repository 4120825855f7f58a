"""Follows a scale forward from a tensor to all that take it, and what they make, until layers absorb it.

    y = g z                                         y = z
    w = sigmoid(B relu(A mean(y)))      becomes     w = sigmoid(B relu((A g) mean(y)))
    C (y w)                                         (C g) (y w)

Every taker must absorb the scale or pass it on; if one does not, nothing is changed. Where a sum needs the same
scale on another branch, the scales there go with this one, and all of them are followed together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.folding.backward import carriers
from converter.folding.graph_view import Walk, passing, require_list, require_plain
from converter.folding.linear import LINEAR
from converter.folding.merging import MERGES, SUMS, joined, product, same
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Call, Layer, Ref

Going = Mapping[str, Scale]
"""The scales that go, by name; first the one that was asked for."""


@dataclass(frozen=True)
class _Plan:
    """What becomes of the model when some scales go.

    Attributes:
        carried: The scale that each tensor will have lost.
        absorbed: The calls of the linear layers that make up for it.
        with_it: Further scales that must go too; if there are any, the rest is not certain.
    """

    carried: dict[Ref, Scale] = field(default_factory=dict)
    absorbed: list[Call] = field(default_factory=list)
    with_it: list[str] = field(default_factory=list)


def forward(walk: Walk, name: str) -> tuple[list[Layer], list[str]]:
    """What changes so that a scale may be taken away.

    Returns:
        The changed layers, and the scales that go: this one, and those on the other branches of sums.

    Raises:
        Refusal: It cannot be.
    """
    going = {name: walk.carried(name)}
    plan = _plan(walk, going)
    while plan.with_it:
        going |= {each: walk.carried(each) for each in plan.with_it}
        plan = _plan(walk, going)
    return [_absorbing(walk, call, plan) for call in plan.absorbed], list(going)


def _plan(walk: Walk, going: Going) -> _Plan:
    """Follow the scales through the calls, which stand in the order in which they are computed."""
    plan = _Plan()
    try:
        for call in walk.graph.calls:
            _follow(walk, call, plan, going)
    except Refusal:
        if not plan.with_it:  # with those gone it may do
            raise
    return plan


def _follow(walk: Walk, call: Call, plan: _Plan, going: Going) -> None:
    """Enter in the plan what a call makes of the scales that reach it."""
    made, reached = Ref(call.layer, call.index), any(source in plan.carried for source in call.sources)
    if call.layer in going:
        if reached:
            raise Refusal(f"'{call.layer}' and a scale before it would both have to go")
        plan.carried[made] = going[call.layer]
    elif not reached:
        return
    elif walk.own(call.layer).kind in LINEAR:
        require_plain(call)
        plan.absorbed.append(call)
        return
    else:
        plan.carried[made] = _crossed(walk, call, plan, going)
    _require_taken(walk, made, going)


def _absorbing(walk: Walk, call: Call, plan: _Plan) -> Layer:
    layer, source = walk.graph.layers[call.layer], call.sources[0]
    return LINEAR[layer.kind].input(layer, plan.carried[source], walk.shapes.get(source))


def _crossed(walk: Walk, call: Call, plan: _Plan, going: Going) -> Scale:
    """The scale behind a layer that some scale reaches."""
    layer, shapes = walk.graph.layers[call.layer], walk.shapes_before(call)
    scales = [plan.carried.get(source) for source in call.sources]
    if layer.kind in MERGES:
        require_list(call)
    if layer.kind in SUMS:
        scale = same(layer, scales, shapes)
        plan.with_it.extend(_missing(walk, call, plan, scale, going))
        return scale
    if layer.kind == "Concatenate":
        return joined(layer, scales, shapes)
    if layer.kind == "Multiply":
        return product(layer, scales, shapes, masked=walk.may_have_masks)
    crossing = passing(layer)
    require_plain(call)
    after = walk.shapes.get(Ref(call.layer, call.index))
    return crossing.forward(layer, plan.carried[call.sources[0]], shapes[0], after)


def _missing(walk: Walk, call: Call, plan: _Plan, scale: Scale, going: Going) -> list[str]:
    """The scales on those branches of a sum that have not been reached."""
    bare = [source for source in call.sources if source not in plan.carried]
    try:
        found = dict.fromkeys(name for source in bare for name in carriers(walk, source, scale))
    except Refusal as refusal:
        raise Refusal(f"another branch of '{call.layer}' does not carry it: {refusal}") from refusal
    missing = [name for name in found if name not in going]
    if bare and not missing:
        raise Refusal(f"another branch of '{call.layer}' does not carry it")
    return missing


def _require_taken(walk: Walk, ref: Ref, going: Going) -> None:
    """Check that layers alone take a tensor; the report speaks of the first scale."""
    if walk.graph.is_output(ref):
        said = "it" if ref.layer == next(iter(going)) else f"'{ref.layer}'"
        raise Refusal(f"{said} is an output of the model")
    if not walk.takers[ref]:
        raise Refusal(f"the output of '{ref.layer}' has 0 takers")
