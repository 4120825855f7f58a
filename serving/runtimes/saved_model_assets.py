"""Which tensors of a SavedModel are the paths of its own assets, such as a vocabulary.

The loader puts the true path of an asset where the model was saved with one: it binds it to an argument of a
function, or, in models of TensorFlow 1, feeds it to a tensor of the graph while tables are filled. Any other text
that comes to where a path belongs was chosen by whoever made the model, or by who sends a request.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

GRAPH = ""
"""The place of a node that is in no function."""

COLLECTION = "saved_model_assets"
"""Where models of TensorFlow 1 describe them."""

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
"""Their inputs are the arguments of the function that they call."""


class Assets:
    """The assets of one graph.

    Args:
        graph: The MetaGraphDef.
        objects: Whether it is loaded by its objects, as TensorFlow 2 writes it; nothing outside of functions is run.

    Attributes:
        stray: The name of an asset that does not lie in the model's folder for them; None if all do.
    """

    def __init__(self, graph: Any, *, objects: bool) -> None:  # noqa: ANN401  TensorFlow has no types
        self._objects = objects
        self._described = graph.object_graph_def
        self._nodes: dict[str, Mapping[str, Any]] = {
            GRAPH: {node.name: node for node in graph.graph_def.node},
            **{
                each.signature.name: {node.name: node for node in each.node_def}
                for each in graph.graph_def.library.function
            },
        }
        self._arguments = {
            each.signature.name: [argument.name for argument in each.signature.input_arg]
            for each in graph.graph_def.library.function
        }
        files = _files(graph)
        self._fed = {_output(each.tensor_info.name) for each in files}
        self.stray = next((each.filename for each in files if not _is_inside(each.filename)), None)

    def holds(self, place: str, tensor: str) -> bool:
        """Whether a tensor can be nothing but the path of an asset.

        Args:
            place: The function in which it is, or ``GRAPH``.
            tensor: Its name, as nodes write their inputs.
        """
        return self._holds(place, tensor, set())

    def _holds(self, place: str, tensor: str, seen: set[tuple[str, str]]) -> bool:
        name = tensor.partition(":")[0]
        if (place, tensor) in seen:
            # A function that calls itself passes on what others gave it.
            return True
        seen.add((place, tensor))
        if place != GRAPH and ":" not in tensor and name in self._arguments[place]:
            return self._argument_holds(place, self._arguments[place].index(name), seen)
        if place == GRAPH and _output(tensor) in self._fed:
            return True
        node = self._nodes[place].get(name)
        return node is not None and node.op == "Identity" and self._holds(place, node.input[0], seen)

    def _argument_holds(self, function: str, index: int, seen: set[tuple[str, str]]) -> bool:
        """Whether whoever calls a function gives it an asset's path."""
        given = list(self._calls(function))
        bound = self._bound(function, index)
        if bound is False or (bound is None and not given):
            return False
        return all(inputs is not None and self._holds(place, inputs[index], seen) for place, inputs in given)

    def _bound(self, function: str, index: int) -> bool | None:
        """Whether the loader binds an argument to an asset; None where it calls the function not by itself."""
        if function not in self._described.concrete_functions:
            return None
        objects = self._described.concrete_functions[function].bound_inputs
        # What is bound comes behind the arguments that callers give.
        at = index - (len(self._arguments[function]) - len(objects))
        return at >= 0 and self._described.nodes[objects[at]].WhichOneof("kind") == "asset"

    def _calls(self, function: str) -> Iterator[tuple[str, list[str] | None]]:
        """Where a function is called, with the inputs; None for those if it is named otherwise than by a call."""
        for place, nodes in self._nodes.items():
            if place == GRAPH and self._objects:
                continue
            for node in nodes.values():
                if node.op == function or (node.op in CALLS and node.attr["f"].func.name == function):
                    yield place, [each for each in node.input if not each.startswith("^")]
                elif any(function in named_functions(value) for value in node.attr.values()):
                    yield place, None


def named_functions(value: Any) -> list[str]:  # noqa: ANN401  an AttrValue
    """The functions that an attribute names."""
    return [each.name for each in (value.func, *value.list.func) if each.name]


def _output(tensor: str) -> str:
    """The name of a tensor of the graph with the number of the output that it is."""
    return tensor if ":" in tensor else f"{tensor}:0"


def _files(graph: Any) -> list[Any]:  # noqa: ANN401  a MetaGraphDef
    """The AssetFileDef of each asset, from where TensorFlow's loader reads them."""
    if graph.asset_file_def or COLLECTION not in graph.collection_def:
        return list(graph.asset_file_def)
    described = type(graph)()
    for each in graph.collection_def[COLLECTION].any_list.value:
        each.Unpack(described.asset_file_def.add())
    return list(described.asset_file_def)


def _is_inside(filename: str) -> bool:
    path = PurePosixPath(filename)
    return not path.is_absolute() and ".." not in path.parts
