"""Removes a node that returns its input."""

from collections.abc import Iterator

import onnx


def bypass(graph: onnx.GraphProto, node: onnx.NodeProto, source: str) -> bool:
    """Remove ``node``, and make its readers, in subgraphs too, read ``source``.

    A graph output keeps its name: the producer of ``source`` takes it over.

    Returns:
        False, with nothing changed, if that is impossible: an input or an output would become an output.
    """
    result = str(node.output[0])
    outputs = {value.name for value in graph.output}
    if result in outputs:
        producer = next((other for other in graph.node if source in other.output), None)
        if producer is None or source in outputs:
            return False
        old, new = source, result
        producer.output[:] = [new if name == old else name for name in producer.output]
    else:
        old, new = result, source
    graph.node.remove(node)
    for other in all_nodes(graph):
        other.input[:] = [new if name == old else name for name in other.input]
    return True


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_nodes(attribute.g)
