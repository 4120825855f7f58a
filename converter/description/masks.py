"""Determines which layers a Keras mask may reach, from a Masking or Embedding layer on until a layer ends it."""

from converter.graph import Graph, Layer

_ENDS = ("Flatten", "Global", "Reshape")


def reached_by_masks(graph: Graph) -> frozenset[str]:
    """Layers that take a tensor which may have a mask. This overestimates: a mask may in fact end earlier."""
    carrying: set[tuple[str, int]] = set()
    reached: set[str] = set()
    for call in graph.calls:
        layer = graph.layers[call.layer]
        arrives = any((ref.layer, ref.call) in carrying for ref in call.sources)
        if arrives:
            reached.add(call.layer)
        if (arrives and not _ends(layer)) or layer.makes_mask:
            carrying.add((call.layer, call.index))
    return frozenset(reached)


def _ends(layer: Layer) -> bool:
    return layer.stops_mask or layer.kind.startswith(_ENDS)
