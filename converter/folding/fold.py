"""Moves the scales that lowering left into the linear layers around them.

    dense -> dense_scale (Rescaling s) -> sigmoid       becomes   dense (s W, s c) -> sigmoid
    softsign -> gain (Rescaling g) -> dense_1 (W, c)    becomes   softsign -> dense_1 (W g, c)

A scale moves back to the layers that make its tensor or, if that cannot be, forward to all that take it,
through layers that it crosses exactly. What cannot be folded stays as it is, with the reason.
"""

from converter.folding.backward import back
from converter.folding.forward import forward
from converter.folding.graph_view import Walk
from converter.folding.precision import compute_type, require_harmless
from converter.folding.refusal import Refusal
from converter.folding.shape_inference import shapes_of
from converter.graph import Graph, Layer
from converter.lowering.lower import Lowered, Rewrite


def fold(lowered: Lowered) -> tuple[Graph, tuple[Rewrite, ...]]:
    """Fold every scale that algebra allows.

    Returns:
        The folded model; and one rewrite per scale in order, which says where it went, or why it stays.

    Ensures:
        Only the named scales disappear, of which none ends a mask; only linear layers have changed weights.
    """
    graph, scales = lowered.graph, frozenset(lowered.scales)
    shapes = shapes_of(graph)
    rewrites: dict[str, Rewrite] = {}
    for name in lowered.scales:
        if name in rewrites:
            continue
        try:
            walk = Walk(graph, shapes, scales, compute_type(graph.layers[name]))
            graph, names, into = _fold_one(walk, name)
        except Refusal as refusal:
            rewrites[name] = Rewrite(name, f"{_text(graph.layers[name])} not folded: {refusal}", done=False)
        else:
            said = {each: _text(lowered.graph.layers[each]) for each in names}
            rewrites |= {each: Rewrite(each, f"{text} folded into {into}") for each, text in said.items()}
    return graph, tuple(rewrites[name] for name in lowered.scales)


def _fold_one(walk: Walk, name: str) -> tuple[Graph, list[str], str]:
    """The graph without a scale, the names of all the scales that went, and of the layers that took them."""
    graph = walk.graph
    calls = graph.calls_of(name)
    if len(calls) != 1 or len(calls[0].sources) != 1:
        raise Refusal(f"it is shared: it is called {len(calls)} times")
    scale = walk.carried(name)
    require_harmless(scale, walk.kind)
    try:
        changed, names = back(walk, calls[0].sources[0], scale), [name]
    except Refusal as before:
        try:
            changed, names = forward(walk, name)
        except Refusal as after:
            raise Refusal(f"before it, {before}; after it, {after}") from after
    graph = graph.but(layers={**graph.layers, **{layer.name: layer for layer in changed}})
    for each in names:
        graph = graph.without(each)
    return graph, names, ", ".join(f"'{layer.name}'" for layer in changed)


def _text(layer: Layer) -> str:
    scale = layer.config["scale"]
    return f"scale {scale:g}" if isinstance(scale, float) else "per-channel scale"
