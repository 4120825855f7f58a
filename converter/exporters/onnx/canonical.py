"""Renames and reorders an ONNX graph, so that equal conversions give equal bytes."""

from collections import Counter
from collections.abc import Iterable, Iterator

import onnx

Names = dict[str, str]


def canonicalise(graph: onnx.GraphProto, inputs: list[str], outputs: list[str]) -> None:
    """Rename and reorder everything in the graph, in place.

    Before: ``functional_1/dense_1/MatMul``, ``...ReadVariableOp:0``. After: nodes in the order in which a
    depth-first walk from the outputs needs them, called ``MatMul_0``, ``MatMul_1``; a value has the name of
    its node (``Split_0.1`` for the second output), an initializer that of its first use (``Conv_0.W``).
    Equal initializers are merged. Unused values and documentation are removed.

    Args:
        graph: The main graph; its subgraphs are changed too.
        inputs: Names for the graph's inputs, in order.
        outputs: Names for its outputs, in order; none is the name of an input.
    """
    names = dict(zip((value.name for value in graph.input), inputs, strict=True))
    names |= dict(zip((value.name for value in graph.output), outputs, strict=True))
    _Namer(reserved={*inputs, *outputs}).graph(graph, names)
    graph.name = "model"


class _Namer:
    """Counts names over a graph and all its subgraphs; ``reserved`` names are never given."""

    def __init__(self, reserved: set[str]) -> None:
        self._used = set(reserved)
        self._count: Counter[str] = Counter()

    def graph(self, graph: onnx.GraphProto, names: Names) -> None:
        """Canonicalise a graph; ``names`` holds new names by old ones: its own ends and the outer scope's."""
        _merge_equal_initializers(graph)
        nodes = list(needed_nodes(graph))
        initializers = {tensor.name: tensor for tensor in graph.initializer}
        kept = [
            tensor
            for node in nodes
            for name in reads(node)
            if (tensor := initializers.pop(name, None)) is not None
        ]
        kept += [initializers.pop(v.name) for v in graph.output if v.name in initializers]
        for node in nodes:
            self._node(node, names, {tensor.name for tensor in kept})
        for tensor in kept:
            tensor.name = names[tensor.name]
            tensor.doc_string = ""
        for value in (*graph.input, *graph.output):
            value.name = names[value.name]
            value.doc_string = ""
        graph.doc_string = ""
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)

    def _node(self, node: onnx.NodeProto, names: Names, initializers: set[str]) -> None:
        node.name = self._unique(f"{node.op_type}_{self._count[node.op_type]}")
        self._count[node.op_type] += 1
        node.doc_string = ""
        node.domain = ""
        roles = dict(reversed(list(zip(node.input, _roles(node), strict=True))))
        for name in reads(node):
            if name in initializers and name not in names:
                names[name] = self._unique(f"{node.name}.{roles.get(name, 'captured')}")
        for index, name in enumerate(node.output):
            if name and name not in names:
                names[name] = node.name if index == 0 else self._unique(f"{node.name}.{index}")
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names[name] if name else "" for name in node.output]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
        for attribute in node.attribute:
            attribute.doc_string = ""
            if attribute.type == onnx.AttributeProto.GRAPH:
                self._subgraph(attribute.g, node.name, attribute.name, names)

    def _subgraph(self, graph: onnx.GraphProto, owner: str, role: str, outer: Names) -> None:
        inner = dict(outer)
        for value in graph.input:
            inner[value.name] = self._unique(f"{owner}.{role}.in")
        for value in graph.output:
            inner[value.name] = self._unique(f"{owner}.{role}.out")
        self.graph(graph, inner)
        graph.name = f"{owner}.{role}"

    def _unique(self, name: str) -> str:
        free, count = name, 0
        while free in self._used:
            count += 1
            free = f"{name}_{count}"
        self._used.add(free)
        return free


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names of the values that a node reads, those that its subgraphs capture included, in a fixed order."""
    yield from (name for name in node.input if name)
    for attribute in sorted(node.attribute, key=lambda attribute: attribute.name):
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from _reads_from_outside(attribute.g)


def _reads_from_outside(graph: onnx.GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    for node in needed_nodes(graph):
        yield from (name for name in reads(node) if name not in own)
    yield from (value.name for value in graph.output if value.name not in own)


def needed_nodes(graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    """Copies of the nodes in depth-first post-order from the outputs; what no output needs is left out."""
    producer = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    done: dict[int, onnx.NodeProto] = {}
    stack = [(producer[value.name], False) for value in reversed(graph.output) if value.name in producer]
    while stack:
        index, ready = stack.pop()
        if index in done:
            continue
        node = graph.node[index]
        if ready:
            done[index] = node
            continue
        stack.append((index, True))
        needed = [producer[name] for name in reads(node) if name in producer]
        stack.extend((other, False) for other in reversed(needed) if other not in done)
    # Copies: the originals are freed when the list of the graph is emptied.
    return [_copy(node) for node in done.values()]


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _merge_equal_initializers(graph: onnx.GraphProto) -> None:
    first: dict[bytes, str] = {}
    same: Names = {}
    for tensor in graph.initializer:
        value = onnx.TensorProto()
        value.CopyFrom(tensor)
        value.name = value.doc_string = ""
        same[tensor.name] = first.setdefault(value.SerializeToString(deterministic=True), tensor.name)
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]


def _roles(node: onnx.NodeProto) -> list[str]:
    """Formal names of a node's inputs, such as ``W``; the variadic last one is numbered."""
    formal = [parameter.name for parameter in onnx.defs.get_schema(node.op_type, "").inputs]
    return [formal[i] if i < len(formal) else f"{formal[-1]}_{i}" for i in range(len(node.input))]
