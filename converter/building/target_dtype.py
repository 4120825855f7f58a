"""Widens 16-bit models for a format without 16-bit floats: the kernels of TFLite compute in float32."""

from converter.building.dtype_policy import in_policy
from converter.exporters.target_formats import Target
from converter.graph import Graph

_NARROW = frozenset({"float16", "bfloat16"})


def for_target(target: Target, graph: Graph) -> tuple[Graph, list[str]]:
    """The graph that a target exports, and notes about it.

    Returns:
        The same graph, unless it computes in 16 bits and the target cannot: then a copy whose layers, inputs and
        outputs have the float type of the target, and a sentence that says so.
    """
    narrow = sorted(_NARROW & {kind for layer in graph.layers.values() for kind in _types(layer.policy)})
    narrow = narrow or sorted(_NARROW & {graph.layers[ref.layer].config["dtype"] for _, ref in graph.inputs})
    if target.computes_in is None or not narrow:
        return graph, []
    note = (
        f"{target.name} computes in {target.computes_in} what the original computes in {narrow[0]}; its float inputs "
        f"and outputs are {target.computes_in}."
    )
    return in_policy(graph, target.computes_in), [note]


def _types(policy: str) -> set[str]:
    return {policy, policy.removeprefix("mixed_")}
