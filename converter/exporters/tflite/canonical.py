"""Renames the tensors of a TFLite model and orders its inputs, so that equal conversions give equal bytes."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converter.exporters.contract import PROVENANCE_KEY, Json
from converter.signature import Signature, TensorSpec

FILE_IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16
"""The alignment of buffers that the schema requires; the generated Python code ignores it."""

_OP_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
_KEPT_METADATA = frozenset({b"min_runtime_version"})
"""TensorFlow also writes CONVERSION_METADATA, with a hash that changes from run to run."""


def canonicalise(raw: bytes, signature: Signature, provenance: Mapping[str, Json]) -> bytes:
    """Rename tensors, order inputs and outputs as the signature does, and add the provenance.

    A tensor of the signature gets its name in the signature; a result that of its operator, counted (``CONV_2D_0``);
    a constant that of the first operator that reads it (``CONV_2D_0.1``, the second input). The names of TensorFlow
    contain counters of the process.

    Args:
        raw: A TFLite flatbuffer with one signature.
        signature: Its names, in order.
        provenance: JSON object, stored as metadata ``plainserve``.

    Returns:
        The flatbuffer rewritten.
    """
    model = schema.ModelT.InitFromPackedBuf(bytearray(raw), 0)
    (definition,) = model.signatureDefs
    definition.inputs = _ordered(definition.inputs, signature.inputs)
    definition.outputs = _ordered(definition.outputs, signature.outputs)
    main = model.subgraphs[definition.subgraphIndex]
    main.inputs = np.array([entry.tensorIndex for entry in definition.inputs], np.int32)
    main.outputs = np.array([entry.tensorIndex for entry in definition.outputs], np.int32)
    for index, graph in enumerate(model.subgraphs):
        graph.name = "main" if graph is main else f"subgraph_{index}"
        entries = [*definition.outputs, *definition.inputs] if graph is main else []
        _rename(model, graph, {entry.tensorIndex: _text(entry.name) for entry in entries})
    model.description = "plainserve"
    _set_provenance(model, json.dumps(provenance, sort_keys=True).encode())
    return _pack(model)


def _ordered(entries: list[Any], specs: tuple[TensorSpec, ...]) -> list[Any]:
    by_name = {_text(entry.name): entry for entry in entries}
    return [by_name[spec.name] for spec in specs]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _rename(model: Any, graph: Any, names: dict[int, str]) -> None:  # noqa: ANN401  generated classes
    """Name every tensor; ``names`` holds those that are fixed, by index."""
    count: Counter[str] = Counter()
    used = set(names.values())

    def give(index: int, name: str) -> None:
        if index >= 0 and index not in names:
            names[index] = next(free for free in _variants(name) if free not in used)
            used.add(names[index])

    for position, index in enumerate(graph.inputs):
        give(int(index), f"input_{position}")
    for operator in graph.operators:
        op_name = operator_name(model, operator)
        node = f"{op_name}_{count[op_name]}"
        count[op_name] += 1
        for position, index in enumerate(operator.inputs):
            give(int(index), f"{node}.{position}")
        for position, index in enumerate(operator.outputs):
            give(int(index), node if position == 0 else f"{node}:{position}")
    for index, tensor in enumerate(graph.tensors):
        give(index, f"tensor_{index}")
        tensor.name = names[index]


def _variants(name: str) -> Iterator[str]:
    yield name
    suffix = 1
    while True:
        yield f"{name}_{suffix}"
        suffix += 1


def operator_name(model: Any, operator: Any) -> str:  # noqa: ANN401  generated classes
    """Name of an operator, such as ``CONV_2D``; a custom one has its own."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _text(code.customCode) if number == schema.BuiltinOperator.CUSTOM else _OP_NAMES[number]


def _set_provenance(model: Any, data: bytes) -> None:  # noqa: ANN401  generated classes
    kept = [entry for entry in model.metadata or [] if entry.name in _KEPT_METADATA]
    for entry in set(model.metadata or []) - set(kept):
        model.buffers[entry.buffer].data = None
    entry, buffer = schema.MetadataT(), _AlignedBuffer()
    entry.name, entry.buffer = PROVENANCE_KEY, len(model.buffers)
    buffer.data = np.frombuffer(data, np.uint8)
    model.metadata = [*kept, entry]
    model.buffers.append(buffer)


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the generated base is untyped
    """A buffer whose data is aligned as the schema requires."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  overrides a generated method
        """Append this buffer to the builder; return its offset."""
        if self.data is None or len(self.data) == 0:
            return int(super().Pack(builder))
        data = np.asarray(self.data, np.uint8).tobytes()
        builder.StartVector(1, len(data), BUFFER_ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


def _pack(model: Any) -> bytes:  # noqa: ANN401  generated classes
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())
