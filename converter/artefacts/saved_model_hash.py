"""Hashes what a SavedModel computes: the graph of its signature and its weights.

The bytes of a SavedModel change from process to process (its fingerprint, counters in names), so equal conversions
are recognised by this hash. The hash of a node covers its operation, its attributes and the hashes of its inputs;
names and order do not matter. The hash of a function covers its outputs, over its arguments by position.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from converter.artefacts.frozen_graph import freeze
from converter.exporters.saved_model import SIGNATURE_KEY

# Hints to the runtime: device placement, cached shapes, notes of the tracer.
_IGNORED_ATTRIBUTES = ("_", "shared_name", "container")


def content_hash(path: Path) -> str:
    """SHA-256 of the signature, the graph and the weights of a SavedModel.

    Args:
        path: SavedModel folder with the signature ``serving_default``.

    Returns:
        Hexadecimal digest; equal for equal conversions, in whatever process and folder.
    """
    loaded = tf.saved_model.load(str(path))  # keep a reference: functions hold their variables weakly
    function = freeze(loaded.signatures[SIGNATURE_KEY])
    definition = function.concrete.graph.as_graph_def()
    hashes = _Hashes({entry.signature.name: entry for entry in definition.library.function})
    nodes = {node.name: node for node in definition.node}
    inputs = {
        tensor.op.name: f"{name} {tensor.dtype.name} {tensor.shape}"
        for name, tensor in function.inputs.items()
    }
    known = {name: _digest("input", text) for name, text in inputs.items()}
    outputs = [
        _digest(name, hashes.value(tensor.name, nodes, known))
        for name, tensor in sorted(function.outputs.items())
    ]
    return _digest(*sorted(inputs.values()), *outputs)


class _Hashes:
    """Hashes of nodes and functions; each function is hashed once."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions
        self._done: dict[str, str] = {}

    def value(self, reference: str, nodes: Mapping[str, Any], known: dict[str, str]) -> str:
        """Hash of a value such as ``node:0``; ``known`` holds nodes' hashes and is filled.

        Uses its own stack: a deep model would exceed the recursion limit of Python.
        """
        name, _, port = reference.partition(":")
        stack = [name]
        while stack:
            if stack[-1] in known:
                stack.pop()
                continue
            node = nodes[stack[-1]]
            missing = [source for source in map(_node_of, node.input) if source not in known]
            stack.extend(missing)
            if not missing:
                known[stack.pop()] = self._node(node, known)
        return _digest(known[name], port.rpartition(":")[2] if port.count(":") else port)

    def _node(self, node: Any, known: Mapping[str, str]) -> str:  # noqa: ANN401  protobuf class
        attributes = [
            f"{key}={self._attribute(node.attr[key])}"
            for key in sorted(node.attr)
            if not key.startswith(_IGNORED_ATTRIBUTES)
        ]
        values = [_digest(known[_node_of(ref)], ref.partition(":")[2]) for ref in node.input if ref[0] != "^"]
        control = sorted(known[_node_of(ref)] for ref in node.input if ref[0] == "^")
        return _digest(node.op, *attributes, "inputs", *values, "control", *control)

    def _attribute(self, value: Any) -> str:  # noqa: ANN401  protobuf class
        if value.WhichOneof("value") == "func":
            return self._function(value.func.name)
        return hashlib.sha256(value.SerializeToString(deterministic=True)).hexdigest()

    def _function(self, name: str) -> str:
        if name not in self._done:
            function = self._functions[name]
            nodes = {node.name: node for node in function.node_def}
            known = {
                argument.name: _digest("argument", str(index), str(argument.type))
                for index, argument in enumerate(function.signature.input_arg)
            }
            results: Sequence[str] = [function.ret[result.name] for result in function.signature.output_arg]
            self._done[name] = _digest("function", *(self.value(result, nodes, known) for result in results))
        return self._done[name]


def _node_of(reference: str) -> str:
    return reference.removeprefix("^").partition(":")[0]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
