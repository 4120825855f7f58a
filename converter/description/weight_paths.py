"""Assigns paths to a layer's weights if the file only lists them.

The legacy format stores a list per layer, in the order in which Keras lists the weights: first a layer's own, then
those of its parts in the order of their creation. The ``.keras`` format stores paths, such as
``forward_layer/cell/vars/0``. This module gives the same paths to the weights in a list.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from converter.archive import Weight
from converter.archive.weight_scope import snake_case
from converter.errors import UnsafeFileError

_KERNELS = {
    "Dense": 1,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), 1),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), 1),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), 1),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), 2),
    **dict.fromkeys(("LSTMCell", "GRUCell", "SimpleRNNCell"), 2),
}
_WITH_CELL = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_ATTENTION = frozenset({"MultiHeadAttention", "GroupQueryAttention"})
_ARGUMENTS = ("activation", "recurrent_activation")


def by_path(
    kind: str, config: Mapping[str, Any], weights: Mapping[str, Weight], where: str
) -> dict[str, Weight]:
    """Weights by path, from weights by path or by position.

    Paths are normalised: Keras 2 calls a part of an attention layer ``_query_dense``, Keras 3 ``query_dense``.

    Raises:
        UnsafeFileError: Two weights have the same path after that.
    """
    if all(key.isdecimal() for key in weights):
        listed = [weights[str(index)] for index in range(len(weights))]
        return dict(zip(_paths(kind, config, len(listed)), listed, strict=True))
    named = {"/".join(part.removeprefix("_") for part in path.split("/")): path for path in weights}
    if len(named) < len(weights):
        raise UnsafeFileError("stores two weights under one path", where=where)
    return {name: weights[path] for name, path in named.items()}


def _paths(kind: str, config: Mapping[str, Any], count: int) -> list[str]:
    """Paths of ``count`` weights in the order of the list."""
    if kind == "Bidirectional":
        inner, config = _inner(config, "layer")
        half = _paths(inner, config, count // 2)
        return [*_below("forward_layer", half), *_below("backward_layer", half), *_own(count % 2)]
    if kind in {"TimeDistributed", "RNN"}:
        part = "cell" if kind == "RNN" else "layer"
        return _below(part, _paths(*_inner(config, part), count))
    if kind == "StackedRNNCells":
        return _stacked(config, count)
    if kind in _ATTENTION:
        names = ["query", "key", *(["gate"] if config.get("use_gate") else []), "value", "output"]
        each = max(count // len(names), 1)
        paths = [f"{name}_dense/vars/{index}" for name in names for index in range(each)]
        return [*paths[:count], *_own(count - len(paths))]
    if kind in _WITH_CELL:
        return _below("cell", _paths("LSTMCell", config, count))
    own = _count(kind, config, count)
    return [*_own(own), *_of_arguments(config, count - own)]


def _stacked(config: Mapping[str, Any], count: int) -> list[str]:
    """Cells are stored under their class names, numbered from the second of a class on."""
    paths: list[str] = []
    seen: Counter[str] = Counter()
    cells = config.get("cells")
    for cell in cells if isinstance(cells, Sequence) else []:
        kind, inner = _inner({"cell": cell}, "cell")
        name = snake_case(kind)
        number = f"_{seen[name]}" if seen[name] else ""
        seen[name] += 1
        paths += _below(f"cells/{name}{number}", _own(_count(kind, inner, count)))
    return [*paths[:count], *_own(count - len(paths))]


def _count(kind: str, config: Mapping[str, Any], count: int) -> int:
    """How many of the weights are the layer's own; the rest are those of activations among its arguments."""
    if kind == "EinsumDense":
        own = 1 + bool(config.get("bias_axes"))
    elif kind == "Activation" and _is_object(config.get("activation")):
        own = 0
    elif kind in _KERNELS:
        own = _KERNELS[kind] + bool(config.get("use_bias", True))
    else:
        own = count
    return min(own, count)


def _of_arguments(config: Mapping[str, Any], count: int) -> list[str]:
    holders = [key for key in _ARGUMENTS if _is_object(config.get(key))]
    each = count // len(holders) if holders else 0
    paths = list(chain.from_iterable(_below(key, _paths(*_inner(config, key), each)) for key in holders))
    return [*paths, *(f"unknown/vars/{index}" for index in range(count - len(paths)))]


def _is_object(value: object) -> bool:
    """Whether an argument is a layer, which may have weights, rather than a function."""
    return isinstance(value, Mapping) and value.get("class_name") not in (None, "function", "__lambda__")


def _inner(config: Mapping[str, Any], part: str) -> tuple[str, Mapping[str, Any]]:
    entry = config.get(part)
    entry = entry if isinstance(entry, Mapping) else {}
    inner = entry.get("config")
    return str(entry.get("class_name")), inner if isinstance(inner, Mapping) else {}


def _own(count: int) -> list[str]:
    return [f"vars/{index}" for index in range(count)]


def _below(part: str, paths: list[str]) -> list[str]:
    return [f"{part}/{path}" for path in paths]
