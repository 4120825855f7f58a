"""From the tensors a client sent to the arrays a model takes, or to an error that names what is wrong.

Nothing a client claims is believed: names, datatypes, shapes and byte counts are held against the metadata.
What can be worked out once per model is; the sizes of shapes that were seen before are remembered.
"""

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from serving.dataplane.messages import InferRequest, InputTensor
from serving.datatypes import BYTES, NUMPY, unpack_bytes
from serving.errors import InvalidInputError
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import DEFAULT_SIGNATURE, FREE, Array, TensorSpec
from serving.scheduler.job import Job

REMEMBERED_SHAPES = 256
"""Shapes remembered per input; clients cannot make the server remember more."""

SHOWN_SIZES = 32
"""Sizes of a shape that an error repeats; a message can hold millions."""

BESIDE_EMPTY = 1 << 16
"""What free sizes may be, multiplied, where another is 0.

No byte of the message stands for them, and the model may make an output of that size.
"""

MOST_DIMENSIONS = 64
"""As many as numpy has; the product of a million sizes would take minutes."""

MANY = 1 << 14
"""Elements of one request that are made into objects one by one in two or three milliseconds."""

RAW_ONLY = ("FP16", "BF16")
"""Datatypes that the protocol has no typed field for."""


class Decoder:
    """Checks the requests for one model.

    Args:
        model: The model.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._label = f"model '{model.name}'"
        if model.signature != DEFAULT_SIGNATURE:
            self._label = f"signature '{model.signature}' of {self._label}"
        self._batched = model.max_batch_size > 0
        least = 0 if model.runtime.takes_empty else 1
        self._inputs = {
            spec.name: InputDecoder(spec, model.request_rows, least, batched=self._batched)
            for spec in model.inputs
        }
        self._outputs = {spec.name: spec for spec in model.outputs}
        self._all_outputs = tuple(self._outputs)
        self._all_specs = tuple(self._outputs.values())
        self._texts = any(spec.datatype == BYTES for spec in model.inputs)
        self._mixed_sizes = any(FREE in spec.shape[1:] for spec in model.inputs)

    def quick(self, request: InferRequest) -> bool:
        """Whether decoding a request takes no longer than the event loop may wait. Raw numbers are only viewed."""
        if request.raw and not self._texts:
            return True
        typed = sum(len(each.values) for each in request.inputs if each.values is not None)
        # A text has four bytes at the least.
        return typed + sum(len(each) for each in request.raw if each is not None) // 4 <= MANY

    def decode(self, request: InferRequest) -> Job:
        """The job a request asks for. Raw tensors are viewed, not copied.

        Raises:
            InvalidInputError: The request does not fit the model, or contradicts itself.
        """
        arrays = self._arrays(request)
        rows = self._rows(arrays) if self._batched else 1
        key = tuple(arrays[name].shape[1:] for name in self._inputs) if self._mixed_sizes else ()
        wanted = self._wanted(request.outputs)
        return Job(arrays, wanted, rows, key, request.deadline, request.priority, request.timeout)

    def specs(self, outputs: tuple[str, ...]) -> Sequence[TensorSpec]:
        """The specs of outputs that a job wants: the same object whenever all are wanted."""
        return self._all_specs if outputs is self._all_outputs else [self._outputs[name] for name in outputs]

    def _arrays(self, request: InferRequest) -> dict[str, Array]:
        inputs, raw = request.inputs, request.raw
        if raw and len(raw) != len(inputs):
            raise InvalidInputError(
                f"{len(raw)} raw contents came for {len(inputs)} inputs; expected one for each, in order"
            )
        arrays: dict[str, Array] = {}
        for at, tensor in enumerate(inputs):
            decoder = self._inputs.get(tensor.name)
            if decoder is None:
                raise InvalidInputError(
                    f"{self._label} has no input '{tensor.name}'; it has {_names(self._inputs)}"
                )
            if tensor.name in arrays:
                raise InvalidInputError(f"input '{tensor.name}' came twice")
            arrays[tensor.name] = decoder.decode(tensor, raw[at] if raw else None)
        if len(arrays) != len(self._inputs):
            missing = [name for name in self._inputs if name not in arrays]
            raise InvalidInputError(
                f"{self._label} needs {_names(missing)} too; came {_names(arrays) or 'nothing'}"
            )
        return arrays

    def _rows(self, arrays: dict[str, Array]) -> int:
        rows = {array.shape[0] for array in arrays.values()}
        if len(rows) > 1:
            came = ", ".join(f"'{name}' has {array.shape[0]}" for name, array in arrays.items())
            raise InvalidInputError(f"all inputs must have the same number of rows; {came}")
        return rows.pop() if rows else 1

    def _wanted(self, outputs: tuple[str, ...]) -> tuple[str, ...]:
        if not outputs or outputs == self._all_outputs:
            return self._all_outputs
        for name in outputs:
            if name not in self._outputs:
                raise InvalidInputError(
                    f"{self._label} has no output '{name}'; it has {_names(self._outputs)}"
                )
        if len(set(outputs)) != len(outputs):
            raise InvalidInputError(f"an output is asked for twice: {_names(outputs)}")
        return outputs


class InputDecoder:
    """Checks one input of one model.

    Args:
        spec: What the model takes.
        most_rows: Most rows of a request; 0 for any number, or without a batch dimension.
        least: What a free size is at least.
        batched: Whether the first size is that of the batch: rows are one at least in any case.
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
            tensor: What the client claims.
            raw: Its wire form, if it came so.

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
        """The number of elements of a shape that the model takes; it is remembered."""
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
        """What a free size is at least, for each axis."""
        # A request without rows has nothing to ask, and would share a run with others for nothing.
        return [1 if axis == 0 and self._batched else self._least for axis in range(rank)]

    def _check_beside_empty(self, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
        chosen = (size for size, want in zip(shape, expected, strict=True) if want == FREE)
        if prod(max(1, size) for size in chosen) > BESIDE_EMPTY:
            raise InvalidInputError(
                f"input '{self._spec.name}' of shape {_shape(shape)} has no elements; its other free sizes, "
                f"multiplied, may be {BESIDE_EMPTY} at most"
            )

    def _expected(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that the model takes; of a model that takes any number of sizes, as many as came."""
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
            # Any byte may come; a numpy bool that is neither 0 nor 1 is undefined behaviour in the runtimes.
            truths: Array = np.frombuffer(raw, np.uint8) != 0
            return truths.reshape(shape)
        array = np.frombuffer(raw, self._dtype)
        # A view into a message may begin anywhere, and the runtimes may rely on alignment.
        return (array if array.flags.aligned else array.copy()).reshape(shape)

    def _typed(self, tensor: InputTensor, count: int) -> Array:
        name, values = self._spec.name, tensor.values
        if not count and values is None:
            # Nothing is what there is to send.
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
    """What an error adds to "any size"."""
    if len(set(leasts)) > 1:
        return " (rows from 1)"
    return " from 1" if 1 in leasts else ""


def _shape(shape: Sequence[int]) -> str:
    shown = [str(size) for size in shape[:SHOWN_SIZES]]
    return "[" + ",".join([*shown, f"... {len(shape)} sizes"] if len(shape) > SHOWN_SIZES else shown) + "]"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
