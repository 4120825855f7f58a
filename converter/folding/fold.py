"""Moves the scales that lowering left into the linear layers around them.

    dense -> dense_scale (Rescaling s) -> sigmoid       becomes   dense (s W, s c) -> sigmoid
    softsign -> gain (Rescaling g) -> dense_1 (W, c)    becomes   softsign -> dense_1 (W g, c)

A scale moves back to the layer that makes its tensor, or forward to the one that takes it, through layers
that it crosses exactly. A tensor that is an output or has two takers, and a layer called twice, stop it.
"""

import numpy as np

from converter.folding.linear import LINEAR, Scale
from converter.folding.passing import PASSING
from converter.folding.refusal import Refusal
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering import Lowered, Rewrite


def fold(lowered: Lowered) -> tuple[Graph, tuple[Rewrite, ...]]:
    """Fold every scale that algebra allows; each refusal carries its reason.

    Ensures:
        Only the named scales disappear, and only linear layers have changed weights.
    """
    graph, rewrites = lowered.graph, []
    for name in lowered.scales:
        graph, rewrite = _fold_one(graph, name)
        rewrites.append(rewrite)
    return graph, tuple(rewrites)


def _fold_one(graph: Graph, name: str) -> tuple[Graph, Rewrite]:
    scale = np.asarray(graph.layers[name].config["scale"], np.float64)
    text = f"scale {scale:g}" if scale.ndim == 0 else "per-channel scale"
    calls = graph.calls_of(name)
    if len(calls) != 1:
        return graph, Rewrite(name, f"{text} not folded: the layer is called {len(calls)} times", done=False)
    if not scale.all():
        return graph, Rewrite(name, f"{text} not folded: it is zero", done=False)
    reasons = []
    for move, start in ((_back, calls[0].sources[0]), (_forward, Ref(name))):
        try:
            changed = move(graph, start, scale)
        except Refusal as refusal:
            reasons.append(str(refusal))
        else:
            for layer in changed:
                graph = graph.with_layer(layer)
            into = ", ".join(f"'{layer.name}'" for layer in changed)
            return graph.without(name), Rewrite(name, f"{text} folded into {into}")
    return graph, Rewrite(
        name, f"{text} not folded: before it, {reasons[0]}; after it, {reasons[1]}", done=False
    )


def _back(graph: Graph, ref: Ref, scale: Scale) -> list[Layer]:
    """The changed layers that make ``scale * tensor`` where ``tensor`` was made."""
    layer, call = _maker(graph, ref)
    _require_alone(graph, ref, layer)
    if layer.kind in LINEAR:
        return [LINEAR[layer.kind].output(layer, scale)]
    if layer.kind in {"Add", "Subtract"}:
        return _distinct([changed for source in call.sources for changed in _back(graph, source, scale)])
    _require_passing(layer, scale)
    return _back(graph, call.sources[0], scale)


def _forward(graph: Graph, ref: Ref, scale: Scale) -> list[Layer]:
    """The changed layers that take ``tensor`` where ``scale * tensor`` was taken."""
    if graph.is_output(ref):
        raise Refusal("it is an output of the model")
    takers = graph.consumers(ref)
    if len(takers) != 1:
        raise Refusal(f"its tensor has {len(takers)} takers")
    layer = graph.layers[takers[0].layer]
    _require_called_once(graph, layer)
    if layer.kind in LINEAR:
        return [LINEAR[layer.kind].input(layer, scale)]
    _require_passing(layer, scale)
    return _forward(graph, Ref(layer.name, takers[0].index), scale)


def _maker(graph: Graph, ref: Ref) -> tuple[Layer, Call]:
    for call in graph.calls_of(ref.layer):
        if call.index == ref.call:
            return graph.layers[ref.layer], call
    raise Refusal(f"'{ref.layer}' is an input of the model")


def _require_alone(graph: Graph, ref: Ref, layer: Layer) -> None:
    if graph.is_output(ref):
        raise Refusal(f"'{layer.name}' is an output of the model")
    takers = len(graph.consumers(ref))
    if takers != 1:
        raise Refusal(f"'{layer.name}' has {takers} takers")
    _require_called_once(graph, layer)


def _require_called_once(graph: Graph, layer: Layer) -> None:
    count = len(graph.calls_of(layer.name))
    if count != 1:
        raise Refusal(f"'{layer.name}' is shared: it is called {count} times")


def _require_passing(layer: Layer, scale: Scale) -> None:
    check = PASSING.get(layer.kind)
    if check is None:
        raise Refusal(f"no scale crosses '{layer.name}' ({_kind(layer)})")
    check(layer, scale)


def _kind(layer: Layer) -> str:
    return str(layer.config.get("activation") or layer.kind) if layer.kind == "Activation" else layer.kind


def _distinct(layers: list[Layer]) -> list[Layer]:
    if len({layer.name for layer in layers}) != len(layers):
        raise Refusal("two branches lead to one layer")
    return layers
