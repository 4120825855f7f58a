"""Which operators a SavedModel may not have: its graph is a program, and some of them reach beyond the model.

TensorFlow itself says that a SavedModel is to be trusted like a program. This check keeps out what a model has no
reason to do; it is no sandbox.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from serving.errors import ModelLoadError

FILES = frozenset(
    """
    ReadFile WriteFile MatchingFiles WholeFileReader FixedLengthRecordReader TextLineReader TFRecordReader LMDBReader
    IdentityReader RecordInput FileSystemSetConfiguration LoadAndRemapMatrix GenerateVocabRemapping
    TextLineDataset TFRecordDataset FixedLengthRecordDataset CSVDataset LMDBDataset SqlDataset MatchingFilesDataset
    DatasetToTFRecord SaveDataset LoadDataset SnapshotDataset SnapshotDatasetReader SnapshotChunkDataset
    SnapshotNestedDatasetReader ListSnapshotChunksDataset CacheDataset
    FixedUnigramCandidateSampler DecodeProto EncodeProto
    SummaryWriter CreateSummaryFileWriter CreateSummaryDbWriter ImportEvent
    """.split()
)
"""They read or write files by names that the graph gives."""

BEYOND = frozenset(
    """
    PyFunc PyFuncStateless EagerPyFunc
    DataServiceDataset RegisterDataset DistributedSave Send Recv RemoteCall RpcCall RpcClient RpcServer
    DebugIdentity DebugNanCount DebugNumericSummary
    """.split()
)
"""They call Python, other machines, or the addresses of a debugger."""

SAVING = frozenset("Save SaveSlices Restore RestoreSlice MergeV2Checkpoints".split())
"""Every SavedModel has these to be written and read as a whole; no answer needs them."""

_VERSION = re.compile(r"V\d+\Z", re.ASCII)


def check(saved_model: Any) -> None:  # noqa: ANN401  a SavedModel message; TensorFlow has no types
    """Refuse a model with an operator that reaches beyond it.

    Args:
        saved_model: What ``saved_model.pb`` says.

    Raises:
        ModelLoadError: It has one; the text names it.
    """
    for graph in saved_model.meta_graphs:
        nodes = {node.name: node for node in graph.graph_def.node}
        functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
        for node in chain(nodes.values(), *functions.values()):
            if _kind(node) in FILES | BEYOND or _prints_to_file(node):
                _refuse(node)
        for node in _answering(graph, nodes, functions):
            if _kind(node) in SAVING:
                _refuse(node)


def _kind(node: Any) -> str:  # noqa: ANN401  a NodeDef
    """The operator, whichever version of it."""
    return _VERSION.sub("", str(node.op).removeprefix("Experimental"))


def _prints_to_file(node: Any) -> bool:  # noqa: ANN401  likewise
    return bool(node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file:"))


def _refuse(node: Any) -> None:  # noqa: ANN401  likewise
    raise ModelLoadError(
        f"its graph has the operator {node.op} ('{node.name}'), which reaches files, Python or other machines; "
        "export the model without it"
    )


def _answering(graph: Any, nodes: Mapping[str, Any], functions: Mapping[str, Any]) -> Iterator[Any]:  # noqa: ANN401  a MetaGraphDef
    """Every node that an answer, or the making of the model's objects, may run."""
    wanted = [
        _node(info.name) for signature in graph.signature_def.values() for info in signature.outputs.values()
    ]
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in nodes and name not in reached:
            reached.add(name)
            wanted += map(_node, nodes[name].input)
    yield from (nodes[name] for name in reached)
    calls = [*graph.object_graph_def.concrete_functions, *_called(nodes[name] for name in reached)]
    seen: set[str] = set()
    while calls:
        name = calls.pop()
        if name in functions and name not in seen:
            seen.add(name)
            yield from functions[name]
            calls += _called(functions[name])


def _node(tensor: str) -> str:
    """The node of ``name:0`` or ``^name``."""
    return tensor.removeprefix("^").partition(":")[0]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """The functions that nodes name, in any attribute or as their operator."""
    for node in nodes:
        yield node.op
        for value in node.attr.values():
            yield value.func.name
            yield from (each.name for each in value.list.func)
