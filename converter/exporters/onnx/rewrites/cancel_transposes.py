"""Cancels transposes across elementwise operators.

Before: ``x -> Transpose p -> Softsign -> Transpose q -> y``, where p followed by q is the identity.
After: ``x -> Softsign -> y``. This holds for any chain of unary elementwise operators, the empty one included, if
nothing else reads its values. tf2onnx does so for some operators, but not for Softsign.
"""

from collections import Counter
from collections.abc import Iterator

import onnx

from converter.exporters.onnx.rewrites.bypass import all_nodes, bypass

UNARY = frozenset(
    {
        "Abs",
        "Celu",
        "Clip",
        "Elu",
        "Erf",
        "Exp",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Log",
        "Mish",
        "Neg",
    }
    | {"Reciprocal", "Relu", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Tanh"}
)
"""Elementwise in their first input, other inputs being scalars: they commute with Transpose."""


def cancel_transposes(proto: onnx.ModelProto) -> bool:
    """Cancel the first such pair."""
    graph = proto.graph
    readers = _read_counts(graph)
    producers = {node.output[0]: node for node in graph.node}
    for last in graph.node:
        if last.op_type != "Transpose":
            continue
        chain = list(_unary_chain(str(last.input[0]), producers, readers))
        first = producers.get(chain[-1].input[0] if chain else last.input[0])
        if first is None or first.op_type != "Transpose" or not _inverse(first, last):
            continue
        if not chain and bypass(graph, last, str(first.input[0])):
            return True
        if not chain or readers[first.output[0]] != 1:
            continue
        chain[-1].input[0] = first.input[0]
        return bypass(graph, last, str(last.input[0]))
    return False


def _unary_chain(
    name: str, producers: dict[str, onnx.NodeProto], readers: Counter[str]
) -> Iterator[onnx.NodeProto]:
    while (node := producers.get(name)) is not None and node.op_type in UNARY and readers[name] == 1:
        yield node
        name = str(node.input[0])


def _inverse(first: onnx.NodeProto, last: onnx.NodeProto) -> bool:
    before, after = (list(node.attribute[0].ints) if node.attribute else None for node in (first, last))
    if before is None or after is None:
        return False
    return [before[axis] for axis in after] == list(range(len(before)))


def _read_counts(graph: onnx.GraphProto) -> Counter[str]:
    counts = Counter(name for node in all_nodes(graph) for name in node.input)
    return counts + Counter(value.name for value in graph.output)
