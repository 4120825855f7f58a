"""Changes the float type in which a model computes.

Stored weights are cast when they are loaded: float16 to float32 and float32 to float64 keep every value.
"""

from typing import Any

from converter.dtypes import FLOATS
from converter.graph import Call, Graph, Layer


def in_policy(graph: Graph, dtype: str) -> Graph:
    """A copy of a graph whose layers and float inputs all have one float type.

    Args:
        graph: A graph of any dtype policies; integers and bools do not change.
        dtype: One of ``FLOATS``.
    """
    layers = {name: _layer(layer, dtype) for name, layer in graph.layers.items()}
    return graph.but(layers=layers, calls=tuple(_call(call, graph, dtype) for call in graph.calls))


def _layer(layer: Layer, dtype: str) -> Layer:
    changed = layer.map_parts(lambda part: _layer(part, dtype)).but(policy=dtype)
    return changed.but(config={key: _cast(key, value, dtype) for key, value in changed.config.items()})


def _call(call: Call, graph: Graph, dtype: str) -> Call:
    """Change a dtype that is an argument of an operation, as in ``mean(x, dtype="float16")``."""
    if not graph.layers[call.layer].kind.startswith("ops."):
        return call
    kwargs = {key: _cast(key, value, dtype) for key, value in call.kwargs.items()}
    return Call(call.layer, call.index, call.args, kwargs)


def _cast(key: str, value: Any, dtype: str) -> Any:  # noqa: ANN401  an option
    return dtype if key == "dtype" and isinstance(value, str) and value in FLOATS else value
