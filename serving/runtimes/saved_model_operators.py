"""Which operators a SavedModel may have: its graph is a program, and some operators reach beyond the model.

TensorFlow itself says that a SavedModel is to be trusted like a program. This check lets in what a model has
reason to do, and nothing else; it is no sandbox.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from serving.errors import ModelLoadError
from serving.runtimes.saved_model_assets import GRAPH, Assets, named_functions
from serving.runtimes.tensorflow_operators import ALLOWED, RESTORING, SAVING, TABLES_FROM_FILES

INITIAL = "__saved_model_init_op"
"""The signature that stands for what is run once, when a model is loaded."""

INITS = ("saved_model_main_op", "legacy_init_op", "table_initializer")
"""The collections of TensorFlow 1's models of what is run likewise."""

SAVERS = "savers"
"""The collection that says how such a model is saved; nothing in it is run."""


def check(saved_model: Any) -> None:  # noqa: ANN401  a SavedModel message; TensorFlow has no types
    """Refuse a model with an operator that reaches beyond it, or may.

    Args:
        saved_model: What ``saved_model.pb`` says.

    Raises:
        ModelLoadError: It has one; the text names it.
    """
    graphs = saved_model.meta_graphs
    # TensorFlow's own rule for which models it loads by their objects.
    objects = len(graphs) == 1 and graphs[0].HasField("object_graph_def")
    for graph in graphs:
        _check_names(graph)
        _check_operators(graph, Assets(graph, objects=objects))
        _check_what_runs(graph, objects=objects)


def _check_names(graph: Any) -> None:  # noqa: ANN401  a MetaGraphDef
    """Names must tell nodes apart, or what is looked at is not what is run."""
    library = graph.graph_def.library.function
    for nodes in (graph.graph_def.node, (each.signature for each in library), *(f.node_def for f in library)):
        name, count = next(iter(Counter(each.name for each in nodes).most_common(1)), ("", 0))
        if count > 1:
            raise ModelLoadError(
                f"its graph has the name '{name}' {count} times in one place; export it again"
            )


def _check_operators(graph: Any, assets: Assets) -> None:  # noqa: ANN401  likewise
    """Every node, whether something runs it or not."""
    if assets.stray is not None:
        raise ModelLoadError(
            f"its asset '{assets.stray}' does not lie in its folder of assets; export it again"
        )
    library = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    known = {*ALLOWED, *SAVING, *library}
    for place, nodes in ((GRAPH, graph.graph_def.node), *library.items()):
        for node in nodes:
            if node.op in TABLES_FROM_FILES:
                if len(node.input) < 2 or not assets.holds(place, node.input[1]):
                    _refuse_table(node)
            elif node.op not in known or _prints_to_file(node):
                _refuse(node)


def _check_what_runs(graph: Any, *, objects: bool) -> None:  # noqa: ANN401  likewise
    """What is harmless where nothing runs it."""
    for node in _run(graph, graph.signature_def, graph.object_graph_def.concrete_functions):
        if node.op in SAVING:
            _refuse(node)
    if objects:
        return
    for node in _run(graph, graph.signature_def.keys() - {INITIAL}, ()):
        if node.op in TABLES_FROM_FILES:
            # The loader gives an asset's path to what fills tables, and to nothing that answers.
            _refuse_table(node)
    initialising, restoring = _at_load(graph)
    for nodes, operators in ((initialising, SAVING), (restoring, SAVING - RESTORING)):
        for node in _reached(graph, nodes):
            if node.op in operators:
                _refuse(node)


def _prints_to_file(node: Any) -> bool:  # noqa: ANN401  a NodeDef
    return bool(node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file:"))


def _refuse(node: Any) -> None:  # noqa: ANN401  likewise
    raise ModelLoadError(
        f"its graph has the operator {node.op} ('{node.name}'), which is not known to leave files, Python and other "
        "machines alone; export the model without it"
    )


def _refuse_table(node: Any) -> None:  # noqa: ANN401  likewise
    raise ModelLoadError(
        f"its graph has the operator {node.op} ('{node.name}'), whose file is not one of the model's own assets; "
        "export the model with its vocabulary as an asset, or without it"
    )


def _run(graph: Any, signatures: Iterable[str], calls: Iterable[str]) -> Iterator[Any]:  # noqa: ANN401  a MetaGraphDef
    """Every node that signatures run, and functions that are called."""
    infos = chain.from_iterable(graph.signature_def[key].outputs.values() for key in signatures)
    return _reached(graph, (info.name for info in infos), calls)


def _reached(graph: Any, tensors: Iterable[str], calls: Iterable[str] = ()) -> Iterator[Any]:  # noqa: ANN401  likewise
    """Every node that is run for some tensors, and by functions that are called."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    wanted = [_node(each) for each in tensors]
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in nodes and name not in reached:
            reached.add(name)
            wanted += map(_node, nodes[name].input)
    yield from (nodes[name] for name in reached)
    waiting = [*calls, *_called(nodes[name] for name in reached)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            yield from functions[name]
            waiting += _called(functions[name])


def _at_load(graph: Any) -> tuple[set[str], set[str]]:  # noqa: ANN401  likewise
    """What the loader of TensorFlow 1's models runs: to initialise, and to restore or, perhaps, to initialise."""
    collections = {key: each for key, each in graph.collection_def.items() if key != SAVERS}
    lists = {key: set(each.node_list.value) for key, each in collections.items()}
    initialising = set().union(*(lists.get(key, set()) for key in INITS))
    # A variable is described by a message, which names what gives it its first value.
    texts = b"\0".join(text for each in collections.values() for text in each.bytes_list.value)
    named = {node.name for node in graph.graph_def.node if node.name.encode() in texts}
    return initialising, {graph.saver_def.restore_op_name}.union(named, *lists.values())


def _node(tensor: str) -> str:
    """The node of ``name:0`` or ``^name``."""
    return tensor.removeprefix("^").partition(":")[0]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """The functions that nodes name, in any attribute or as their operator."""
    for node in nodes:
        yield node.op
        for value in node.attr.values():
            yield from named_functions(value)
