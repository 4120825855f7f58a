"""Multiplies a layer's stored weights by a scale, and refuses if a product would overflow or underflow.

The product is computed in float64 and rounded once, to the dtype in which the layer stores its weights.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.archive import Weight
from converter.dtypes import float_range, numpy_dtype
from converter.folding.precision import compute_type, weight_type
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale
from converter.graph import Layer


def scaled(layer: Layer, factors: Mapping[str, Scale]) -> Layer:
    """A copy of a layer with some weights multiplied.

    Args:
        layer: The layer.
        factors: By the weight's path; each broadcasts to the weight from the last axis.

    Raises:
        Refusal: A factor does not fit its weight; or an element would overflow, or would underflow to a
            denormal or zero, in the dtype that the layer computes in.
    """
    changed = {path: _product(layer, path, factor) for path, factor in factors.items()}
    return layer.but(weights={**layer.weights, **changed})


def require_weights(layer: Layer, count: int) -> None:
    """Check that a layer stores ``vars/0`` to ``vars/<count - 1>`` and nothing else.

    Raises:
        Refusal: It stores other weights, so the role of each is uncertain.
    """
    if set(layer.weights) != {f"vars/{number}" for number in range(count)}:
        raise Refusal(f"'{layer.name}' stores other weights than its options call for")


def _product(layer: Layer, path: str, factor: Scale) -> Weight:
    """The product, checked now and recomputed on each read: memory may not hold a large model twice."""
    stored, dtype = layer.weights[path], numpy_dtype(weight_type(layer))
    factor = _fitting(factor, stored.shape, layer.name)

    def read() -> NDArray[Any]:
        product = np.empty(stored.shape, dtype)
        with np.errstate(all="ignore"):  # overflow and underflow are checked below
            # numpy works block by block: the float64 product of a large weight is never in memory as a whole.
            np.multiply(stored.read(), factor, out=product, casting="unsafe")
        return product

    if not stored.unseen:
        _require_range(stored.read(), read(), layer)
    return Weight(stored.shape, dtype, read, stored.unseen)


def _require_range(before: NDArray[Any], after: NDArray[Any], layer: Layer) -> None:
    kind = compute_type(layer)
    limits = float_range(kind)
    magnitude = np.abs(after)
    if np.any(magnitude > limits.largest):
        raise Refusal(f"a weight of '{layer.name}' would overflow {kind}")
    vanished = magnitude < limits.normal
    if vanished.any() and np.any(np.abs(before[vanished]) >= limits.normal):
        raise Refusal(f"a weight of '{layer.name}' would underflow {kind}")


def _fitting(factor: Scale, shape: tuple[int, ...], name: str) -> Scale:
    """The factor, after checking that multiplying by it keeps the array's shape."""
    missing = len(shape) - factor.ndim
    pairs = zip(factor.shape, shape[missing:], strict=True) if missing >= 0 else [(2, 1)]
    if any(size not in {1, kept} for size, kept in pairs):
        raise Refusal(f"the scale has another number of channels than '{name}'")
    return factor
