"""Decodes requests: checks what a client sent against the model's metadata, and makes a job of it.

Names, datatypes, shapes and byte counts from a client are never trusted. An error names what is wrong. What depends
on the model alone is computed once, and the element counts of shapes that were seen before are remembered.
"""

from collections.abc import Iterable, Sequence

from serving.dataplane.input_decoder import InputDecoder
from serving.dataplane.messages import InferRequest
from serving.datatypes import BYTES
from serving.errors import InvalidInputError
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import DEFAULT_SIGNATURE, FREE, Array, TensorSpec
from serving.scheduler.job import Job

MANY = 1 << 14
"""Elements of a request that can be converted to Python objects in two or three milliseconds."""

REMEMBERED_CHOICES = 256
"""Most choices of outputs that are remembered for each model."""


class Decoder:
    """Decodes the requests for one model.

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
        self._some_specs: dict[tuple[str, ...], Sequence[TensorSpec]] = {}
        self._texts = any(spec.datatype == BYTES for spec in model.inputs)
        self._mixed_sizes = any(FREE in spec.shape[1:] for spec in model.inputs)

    def quick(self, request: InferRequest) -> bool:
        """Whether a request can be decoded on the event loop without blocking it. Raw numbers are not copied."""
        if request.raw and not self._texts:
            return True
        typed = sum(len(each.values) for each in request.inputs if each.values is not None)
        # A text takes four bytes at least.
        return typed + sum(len(each) for each in request.raw if each is not None) // 4 <= MANY

    def decode(self, request: InferRequest) -> Job:
        """Decode a request into a job. Raw tensors are viewed, not copied.

        Raises:
            InvalidInputError: The request does not fit the model, or contradicts itself.
        """
        arrays = self._arrays(request)
        rows = self._rows(arrays) if self._batched else 1
        key = tuple(arrays[name].shape[1:] for name in self._inputs) if self._mixed_sizes else ()
        wanted = self._wanted(request.outputs)
        return Job(arrays, wanted, rows, key, request.deadline, request.priority, request.timeout)

    def specs(self, outputs: tuple[str, ...]) -> Sequence[TensorSpec]:
        """The specs of the outputs of a job: the same object for the same outputs, unless too many were chosen."""
        if outputs is self._all_outputs:
            return self._all_specs
        specs = self._some_specs.get(outputs)
        if specs is None:
            specs = tuple(self._outputs[name] for name in outputs)
            if len(self._some_specs) < REMEMBERED_CHOICES:
                self._some_specs[outputs] = specs
        return specs

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


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
