"""Folds the scales that lowering created into the weights of the linear layers around them.

    dense -> dense_scale (Rescaling s) -> sigmoid       becomes   dense (s W, s c) -> sigmoid
    softsign -> gain (Rescaling g) -> dense_1 (W, c)    becomes   softsign -> dense_1 (W g, c)

A scale moves backward to the layers that produce its tensor or, if that is not possible, forward to all consumers,
through layers that it crosses exactly. A scale that cannot be folded stays, and the reason is reported.
"""

from converter.folding.backward import propagate_backward
from converter.folding.forward import propagate_forward
from converter.folding.graph_view import GraphView
from converter.folding.precision import compute_type, require_harmless
from converter.folding.refusal import Refusal
from converter.folding.shape_inference import infer_shapes
from converter.graph import Graph, Layer
from converter.lowering.lower import Lowered, Rewrite


def fold(lowered: Lowered) -> tuple[Graph, tuple[Rewrite, ...]]:
    """Fold every scale that algebra allows.

    Returns:
        The folded model, and one rewrite per scale, in order, which says where it was folded or why it was not.

    Ensures:
        Only the named scales are removed, none of which ends a mask; only linear layers have changed weights.
    """
    graph, scales = lowered.graph, frozenset(lowered.scales)
    shapes = infer_shapes(graph)
    rewrites: dict[str, Rewrite] = {}
    for name in lowered.scales:
        if name in rewrites:
            continue
        try:
            view = GraphView(graph, shapes, scales, compute_type(graph.layers[name]))
            graph, names, into = _fold_one(view, name)
        except Refusal as refusal:
            rewrites[name] = Rewrite(name, f"{_text(graph.layers[name])} not folded: {refusal}", done=False)
        else:
            said = {each: _text(lowered.graph.layers[each]) for each in names}
            rewrites |= {each: Rewrite(each, f"{text} folded into {into}") for each, text in said.items()}
    return graph, tuple(rewrites[name] for name in lowered.scales)


def _fold_one(view: GraphView, name: str) -> tuple[Graph, list[str], str]:
    """Fold one scale: the new graph, the names of all removed scales, and the layers that absorbed them, as text."""
    graph = view.graph
    calls = graph.calls_of(name)
    if len(calls) != 1 or len(calls[0].sources) != 1:
        raise Refusal(f"it is shared: it is called {len(calls)} times")
    scale = view.scale_of(name)
    require_harmless(scale, view.dtype)
    try:
        changed, names = propagate_backward(view, calls[0].sources[0], scale), [name]
    except Refusal as before:
        try:
            changed, names = propagate_forward(view, name)
        except Refusal as after:
            raise Refusal(f"before it, {before}; after it, {after}") from after
    graph = graph.but(layers={**graph.layers, **{layer.name: layer for layer in changed}})
    for each in names:
        graph = graph.without(each)
    return graph, names, ", ".join(f"'{layer.name}'" for layer in changed)


def _text(layer: Layer) -> str:
    scale = layer.config["scale"]
    return f"scale {scale:g}" if isinstance(scale, float) else "per-channel scale"
