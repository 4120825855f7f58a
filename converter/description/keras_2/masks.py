"""Marks built-in layers that treat masks differently in Keras 2 and Keras 3."""

from converter.graph import Graph, Layer

_STOP = frozenset({"Identity", "Normalization", "Rescaling"})
_JOIN = frozenset({"Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"})


def with_masks_of_keras_2(graph: Graph) -> Graph:
    """Mark the layers of a Keras 2 model that end or join masks in their own way."""
    return graph.but(layers={name: _marked(layer) for name, layer in graph.layers.items()})


def _marked(layer: Layer) -> Layer:
    if layer.kind in _STOP:
        return layer.but(stops_mask=True)
    return layer.but(joins_masks_as_keras_2=True) if layer.kind in _JOIN else layer
