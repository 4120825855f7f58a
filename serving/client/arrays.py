"""Converts arrays of the caller to the datatype of an input; a conversion that would lose values is refused.

An array with a dtype is cast only if the target holds every value of that dtype. A value without one (a number, a
list) takes the datatype of the input: numbers are rounded to a float like literals, and integers must fit.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.client.errors import InputError
from serving.client.metadata import TensorMetadata
from serving.datatypes import BF16, BYTES, NUMPY, float32_to_bf16


def fit(value: ArrayLike, tensor: TensorMetadata) -> NDArray[Any]:
    """Convert a value for an input.

    Args:
        value: An array, or numbers or strings in lists. For BF16: ``ml_dtypes.bfloat16``, or bits as uint16.
        tensor: The input.

    Returns:
        An array of ``NUMPY[tensor.datatype]``, of the value's shape.

    Raises:
        InputError: It cannot be done without loss; the text names the input, what came and what is expected.
    """
    if tensor.datatype not in NUMPY:
        raise InputError(f"input '{tensor.name}' has datatype {tensor.datatype}, unknown to this client")
    if tensor.datatype == BYTES:
        return _strings(value, tensor)
    if isinstance(value, np.ndarray | np.generic):
        return _cast(np.asarray(value), tensor)
    return fit_literals(value, tensor)


def _strings(value: ArrayLike, tensor: TensorMetadata) -> NDArray[Any]:
    # As objects, because numpy's own type for bytes drops zeros at the end.
    array = np.asarray(value, dtype=np.object_)
    for element in array.flat:
        if not isinstance(element, bytes | str):
            kind = type(element).__name__
            raise InputError(f"input '{tensor.name}' is BYTES and takes bytes or str; {kind} came")
    return array


def _cast(array: NDArray[Any], tensor: TensorMetadata) -> NDArray[Any]:
    target = NUMPY[tensor.datatype]
    if tensor.datatype == BF16:
        if array.dtype.name == "bfloat16":
            return array.view(target)
        if array.dtype == target:
            return array
        raise InputError(
            f"input '{tensor.name}' is BF16; {array.dtype} came. Pass ml_dtypes.bfloat16, or "
            "serving.datatypes.float32_to_bf16(array)"
        )
    if not _is_exact(array.dtype, target):
        raise InputError(
            f"input '{tensor.name}' is {tensor.datatype}; {array.dtype} came, which it cannot hold without "
            f"loss. If that is fine, pass array.astype(np.{target.name})"
        )
    return array.astype(target, copy=False)


def _is_exact(source: np.dtype[Any], target: np.dtype[Any]) -> bool:
    """Whether each value of one type is a value of the other; numpy calls int64 to float64 safe."""
    wide_integer = source.kind in "iu" and source.itemsize == 8
    return np.can_cast(source, target, "safe") and not (wide_integer and target.kind == "f")


def fit_literals(value: ArrayLike, tensor: TensorMetadata) -> NDArray[Any]:
    """Convert numbers whose own type says nothing, such as those of a text file.

    Args:
        value: Numbers. To a float they are rounded; for an integer they are integers in its range.
        tensor: The input, of any datatype but BYTES.

    Returns:
        An array of ``NUMPY[tensor.datatype]``, of the value's shape.

    Raises:
        InputError: A number does not fit, or is none.
    """
    target = NUMPY[tensor.datatype]
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"input '{tensor.name}': these lists are not the rows of an array: {error}"
        ) from error
    if tensor.datatype == BF16:
        target = np.dtype(np.float32)
    allowed = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}[target.kind]
    if array.size and array.dtype.kind not in allowed:
        raise InputError(f"input '{tensor.name}' is {tensor.datatype}; {_kind(array)} came")
    with np.errstate(over="ignore"):
        fitted = array.astype(target)
    fits = np.isfinite(fitted) | ~np.isfinite(array) if target.kind == "f" else fitted == array
    if not np.all(fits):
        raise InputError(f"input '{tensor.name}': {array[~fits].flat[0]} does not fit in {tensor.datatype}")
    return float32_to_bf16(fitted) if tensor.datatype == BF16 else fitted


def _kind(array: NDArray[Any]) -> str:
    names = {"f": "a fraction", "i": "an integer", "u": "an integer", "b": "a truth value"}
    return names.get(array.dtype.kind, "something that is no number")
