"""The classification extension: replaces an output by its highest values with their indices and labels.

    [0.1, 0.7, 0.2], 2 classes, labels a b c  ->  "0.700000:1:b", "0.200000:2:c"

Values have six decimals, integers none, as Triton writes them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from serving.dataplane.messages import InferResult
from serving.datatypes import BF16, BYTES, bf16_to_float32
from serving.errors import InvalidInputError
from serving.runtimes.runtime import FREE, Array, TensorSpec


def apply(
    result: InferResult,
    classes: Mapping[str, int],
    labels: Mapping[str, Sequence[str]],
    *,
    batched: bool,
) -> None:
    """Replace outputs by their highest values.

    Args:
        result: The result; it is changed.
        classes: The outputs, with the number of values that are wanted.
        labels: The class labels of each output.
        batched: Whether the first dimension counts rows, each of which is classified by itself.

    Raises:
        InvalidInputError: An output holds text.
    """
    specs, arrays = [*result.specs], [*result.arrays]
    for at, spec in enumerate(specs):
        wanted = classes.get(spec.name, 0)
        if wanted:
            arrays[at] = classified(arrays[at], spec, wanted, labels.get(spec.name, ()), batched=batched)
            specs[at] = TensorSpec(spec.name, BYTES, (FREE,) * arrays[at].ndim)
    result.specs, result.arrays = specs, arrays


def classified(array: Array, spec: TensorSpec, wanted: int, labels: Sequence[str], *, batched: bool) -> Array:
    """The highest values of each row, highest first, equal values in the order of their indices.

    Returns:
        BYTES of shape [rows, n], or [n] without a batch; n is ``wanted``, or all values if there are fewer.
    """
    if spec.datatype == BYTES:
        raise InvalidInputError(f"output '{spec.name}' holds text, which cannot be classified")
    if spec.datatype == BF16:
        array = bf16_to_float32(array)
    count = array.shape[0] if batched else 1
    # Not -1: numpy cannot infer a size of an empty array.
    rows = array.reshape(count, array.size // max(1, count))
    top = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :wanted]
    text = np.empty(top.shape, np.object_)
    for row, places in enumerate(top.tolist()):
        for at, place in enumerate(places):
            text[row, at] = _text(rows[row, place], place, labels)
    return text if batched else text[0]


def _text(value: np.generic, place: int, labels: Sequence[str]) -> bytes:
    number = f"{float(value):f}" if value.dtype.kind == "f" else str(int(value))
    label = f":{labels[place]}" if place < len(labels) else ""
    return f"{number}:{place}{label}".encode()
