"""Decodes one input: checks the tensor that a client sent against the model, and returns it as an array."""

from collections.abc import Sequence
from math import prod

import numpy as np

from serving.dataplane.messages import InputTensor
from serving.datatypes import BYTES, NUMPY, unpack_bytes
from serving.errors import InvalidInputError
from serving.runtimes.runtime import FREE, Array, TensorSpec

REMEMBERED_SHAPES = 256
"""Most shapes remembered for each input, so that clients cannot fill the memory with them."""

SHOWN_SIZES = 32
"""Most sizes of a shape that an error repeats; a message can hold millions."""

BESIDE_EMPTY = 1 << 16
"""Largest product of the free sizes of a shape in which another size is 0.

Such sizes cost the client no bytes, and the model may make an output of that size.
"""

MOST_DIMENSIONS = 64
"""As many as numpy allows; the product of a million sizes would take minutes."""

RAW_ONLY = ("FP16", "BF16")
"""Datatypes without a typed field in the protocol."""


class InputDecoder:
    """Decodes one input of one model.

    Args:
        spec: The input.
        most_rows: Most rows of a request; 0 for any number, or without a batch dimension.
        least: The smallest value of a free size.
        batched: Whether the first size is the batch; there must be one row at least in any case.
    """

    def __init__(self, spec: TensorSpec, most_rows: int, least: int = 1, *, batched: bool = False) -> None:
        self._spec = spec
        self._least = least
        self._batched = batched
        self._dtype = NUMPY[spec.datatype].newbyteorder("<")
        self._most_rows = most_rows
        self._counts: dict[tuple[int, ...], int] = {}

    def decode(self, tensor: InputTensor, raw: bytes | memoryview | None) -> Array:
        """The array that a tensor holds.

        Args:
            tensor: The tensor as the client describes it.
            raw: Its raw bytes, if it was sent raw.

        Raises:
            InvalidInputError: It does not fit, or contradicts itself.
        """
        spec = self._spec
        if tensor.datatype != spec.datatype:
            raise InvalidInputError(
                f"input '{spec.name}' is of datatype {spec.datatype}; got {tensor.datatype or 'none'}"
            )
        count = self._counts.get(tensor.shape)
        if count is None:
            count = self._check(tensor.shape)
        if raw is None:
            return self._typed(tensor, count)
        if tensor.values is not None:
            raise InvalidInputError(f"input '{spec.name}' came both raw and typed; send one of them")
        return self._raw(raw, tensor.shape, count)

    def _check(self, shape: tuple[int, ...]) -> int:
        """Check that the model takes a shape; the number of its elements, which is remembered."""
        expected = self._expected(shape)
        leasts = self._leasts(len(expected))
        fits = len(shape) == len(expected) and all(
            size >= least if want == FREE else size == want
            for size, want, least in zip(shape, expected, leasts, strict=True)
        )
        if not fits:
            raise InvalidInputError(
                f"input '{self._spec.name}' has shape {_shape(expected)}, where -1 is any size"
                f"{_exceptions(leasts)}; got {_shape(shape)}"
            )
        if self._most_rows and shape[0] > self._most_rows:
            raise InvalidInputError(
                f"input '{self._spec.name}' has {shape[0]} rows; at most {self._most_rows} fit one request"
            )
        count = prod(shape)
        if not count:
            self._check_beside_empty(shape, expected)
        if len(self._counts) < REMEMBERED_SHAPES:
            self._counts[shape] = count
        return count

    def _leasts(self, rank: int) -> list[int]:
        """The smallest value of a free size, for each axis."""
        # A request without rows asks for nothing, and would be batched with others for nothing.
        return [1 if axis == 0 and self._batched else self._least for axis in range(rank)]

    def _check_beside_empty(self, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
        chosen = (size for size, want in zip(shape, expected, strict=True) if want == FREE)
        if prod(max(1, size) for size in chosen) > BESIDE_EMPTY:
            raise InvalidInputError(
                f"input '{self._spec.name}' of shape {_shape(shape)} has no elements; its other free sizes, "
                f"multiplied, may be {BESIDE_EMPTY} at most"
            )

    def _expected(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that the model takes; for a model of any rank, with the rank of the request."""
        if not self._spec.any_rank:
            return self._spec.shape
        if len(shape) > MOST_DIMENSIONS:
            raise InvalidInputError(
                f"input '{self._spec.name}' has {len(shape)} dimensions; at most {MOST_DIMENSIONS} are possible"
            )
        return (FREE,) * len(shape)

    def _raw(self, raw: bytes | memoryview, shape: tuple[int, ...], count: int) -> Array:
        if self._spec.datatype == BYTES:
            try:
                return unpack_bytes(raw, count).reshape(shape)
            except ValueError as error:
                raise InvalidInputError(f"input '{self._spec.name}': {error}") from error
        expected = count * self._dtype.itemsize
        if len(raw) != expected:
            raise InvalidInputError(
                f"input '{self._spec.name}' of shape {_shape(shape)} and datatype {self._spec.datatype} "
                f"takes {expected} bytes; got {len(raw)}"
            )
        if self._spec.datatype == "BOOL":
            # A client may send any byte; a numpy bool that is neither 0 nor 1 is undefined behaviour in the runtimes.
            truths: Array = np.frombuffer(raw, np.uint8) != 0
            return truths.reshape(shape)
        array = np.frombuffer(raw, self._dtype)
        # A view into a message may be unaligned, and the runtimes may rely on alignment.
        return (array if array.flags.aligned else array.copy()).reshape(shape)

    def _typed(self, tensor: InputTensor, count: int) -> Array:
        name, values = self._spec.name, tensor.values
        if not count and values is None:
            # A tensor without elements has no data to send.
            return np.empty(tensor.shape, self._dtype)
        if self._spec.datatype in RAW_ONLY:
            raise InvalidInputError(
                f"input '{name}': {self._spec.datatype} travels raw only; use raw_input_contents"
            )
        if values is None:
            raise InvalidInputError(f"input '{name}' came without data; expected {count} elements")
        if len(values) != count:
            raise InvalidInputError(
                f"input '{name}' of shape {_shape(tensor.shape)} has {count} elements; got {len(values)}"
            )
        try:
            array = np.empty(count, self._dtype)
            array[:] = values
        except (OverflowError, ValueError) as error:
            raise InvalidInputError(
                f"input '{name}': an element is out of range for {tensor.datatype}"
            ) from error
        return array.reshape(tensor.shape)


def _exceptions(leasts: Sequence[int]) -> str:
    """The end of "any size" in an error: the smallest value of a free size."""
    if len(set(leasts)) > 1:
        return " (rows from 1)"
    return " from 1" if 1 in leasts else ""


def _shape(shape: Sequence[int]) -> str:
    shown = [str(size) for size in shape[:SHOWN_SIZES]]
    return "[" + ",".join([*shown, f"... {len(shape)} sizes"] if len(shape) > SHOWN_SIZES else shown) + "]"
