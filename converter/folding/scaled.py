"""Multiplies stored weights by a scale, and refuses where the result would lose what it means.

The product is computed in float64 and rounded once to the weight's own type.
"""

import numpy as np
from numpy.typing import NDArray

from converter.archive import Weight
from converter.dtypes import float_range
from converter.folding.refusal import Refusal

_COMPUTE = {
    "float16": "float16",
    "mixed_float16": "float16",
    "bfloat16": "bfloat16",
    "mixed_bfloat16": "bfloat16",
}


def scaled(weight: Weight, factor: NDArray[np.float64], policy: str) -> Weight:
    """Weight * factor, broadcast from the last axis.

    Args:
        weight: The stored array.
        factor: Shape broadcastable to the weight's.
        policy: The layer's dtype policy; the result must also suit the type that it computes in.

    Raises:
        Refusal: An element would overflow, or would underflow to a denormal or zero.
    """
    before = weight.read()
    product = before.astype(np.float64) * factor
    compute = _COMPUTE.get(policy, str(before.dtype))
    limits = float_range(compute)
    magnitude = np.abs(product)
    if np.any(magnitude > limits.largest):
        raise Refusal(f"a weight would overflow {compute}")
    if np.any((magnitude < limits.normal) & (np.abs(before.astype(np.float64)) >= limits.normal)):
        raise Refusal(f"a weight would underflow {compute}")
    return Weight.of(product.astype(before.dtype))
