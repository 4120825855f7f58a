"""Checks that a layer's stored weights have the shapes that its options require.

This is checked before Keras allocates variables of the size in the options: for ``Dense(units=10**9)`` with four
stored numbers, Keras would allocate the memory first and compare the shapes afterwards. None stands for a size that
is given by the layer's input.

    Dense            kernel (None, units)                 bias (units,)
    Embedding        (input_dim, output_dim)
    ConvN            kernel (*kernel_size, None, filters) bias (filters,)
    ConvNTranspose   kernel (*kernel_size, filters, None) bias (filters,)
    DepthwiseConvN   kernel (*kernel_size, None, depth_multiplier), bias (None,)
    SeparableConvN   (*kernel_size, None, depth_multiplier), (1, ..., None, filters), bias (filters,)
    LSTM, GRU, SimpleRNN with n = 4, 3, 1 gates: (None, n units), (units, n units), bias (..., n units)
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from converter.description.dtype_policies import require_not_quantized
from converter.errors import UnsafeFileError
from converter.graph import Graph, Layer

_Shape = tuple[object, ...]
_GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


def require_fitting_weights(graph: Graph) -> None:
    """Check every layer whose kind has a formula above.

    Raises:
        UnsafeFileError: A layer stores too many or too few weights, or one of another shape.
        UnsupportedError: A layer's weights are quantized.
    """
    for layer in graph.layers.values():
        require_not_quantized(layer)
        formula = _formula(layer.kind)
        if formula is not None:
            _require(layer, formula(layer.config))


def _formula(kind: str) -> Callable[[Mapping[str, Any]], dict[str, _Shape]] | None:
    if kind == "Dense":
        return lambda config: _with_bias(config, {"vars/0": (None, config.get("units"))}, config.get("units"))
    if kind == "Embedding":
        return lambda config: {"vars/0": (config.get("input_dim"), config.get("output_dim"))}
    if kind in _GATES:
        return lambda config: _recurrent(config, _GATES[kind])
    found = re.fullmatch(r"(Depthwise|Separable)?Conv([123])D(Transpose)?", kind)
    if found is None:
        return None
    return lambda config: _convolution(config, found[1] or found[3] or "", int(found[2]))


def _convolution(config: Mapping[str, Any], variant: str, rank: int) -> dict[str, _Shape]:
    size = config.get("kernel_size")
    window = tuple(size) if isinstance(size, list) else (size,) * rank
    filters, multiplier = config.get("filters"), config.get("depth_multiplier", 1)
    if variant == "Depthwise":
        return _with_bias(config, {"vars/0": (*window, None, multiplier)}, None)
    if variant == "Separable":
        kernels: dict[str, _Shape] = {
            "vars/0": (*window, None, multiplier),
            "vars/1": (*(1,) * rank, None, filters),
        }
        return _with_bias(config, kernels, filters)
    last = (filters, None) if variant == "Transpose" else (None, filters)
    return _with_bias(config, {"vars/0": (*window, *last)}, filters)


def _recurrent(config: Mapping[str, Any], gates: int) -> dict[str, _Shape]:
    units = config.get("units")
    wide = gates * units if isinstance(units, int) else units
    shapes: dict[str, _Shape] = {"cell/vars/0": (None, wide), "cell/vars/1": (units, wide)}
    if config.get("use_bias", True):
        two = gates == _GATES["GRU"] and config.get("reset_after", True)
        shapes["cell/vars/2"] = (2, wide) if two else (wide,)
    return shapes


def _with_bias(config: Mapping[str, Any], kernels: dict[str, _Shape], size: object) -> dict[str, _Shape]:
    return {**kernels, f"vars/{len(kernels)}": (size,)} if config.get("use_bias", True) else kernels


def _require(layer: Layer, expected: Mapping[str, _Shape]) -> None:
    where = f"layer '{layer.name}'"
    for path, sizes in expected.items():
        weight = layer.weights.get(path)
        if weight is None:
            raise UnsafeFileError(
                f"stores {len(layer.weights)} weights where its options call for {len(expected)}", where=where
            )
        fits = len(weight.shape) == len(sizes) and all(
            size is None or size == stored for size, stored in zip(sizes, weight.shape, strict=True)
        )
        if not fits:
            called = ", ".join("?" if size is None else f"{size!r:.30}" for size in sizes)
            raise UnsafeFileError(
                f"stores {path} of shape {weight.shape} where its options call for ({called})", where=where
            )
