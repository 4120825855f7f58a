"""The layout of responses: the bytes around their payloads, serialised once for all that have the same shapes."""

from collections.abc import Callable, Sequence
from typing import Any

from serving.dataplane.messages import InferResult
from serving.runtimes.runtime import TensorSpec

Payload = Any
"""The bytes of an output: any object with a contiguous buffer."""


class ResponseLayout:
    """The bytes around the payloads of a response.

    Args:
        constants: The bytes before, between and after the payloads.
        outputs: Which output each payload is.
        size: The bytes of a response without the optional field.
        optional_at: Where in the first constant the optional field belongs that is taken over from the request.

    Attributes:
        prefixes: The bytes before each payload, and after the last one if there are any.
    """

    __slots__ = ("_outputs", "optional_at", "prefixes", "size")

    def __init__(
        self, constants: Sequence[bytes], outputs: Sequence[int], size: int, optional_at: int = 0
    ) -> None:
        self.prefixes = tuple(constants if constants[-1] else constants[:-1])
        self.size = size
        self.optional_at = optional_at
        self._outputs = outputs

    def rows(self, payloads: Sequence[Payload]) -> list[Payload]:
        """What follows each prefix: a payload, or nothing behind the last one.

        Args:
            payloads: The payload of each output.
        """
        rows = [payloads[at] for at in self._outputs]
        return rows if len(rows) == len(self.prefixes) else [*rows, b""]

    def serialize(self, payloads: Sequence[Payload], optional: bytes) -> bytes:
        """The response to one request.

        Args:
            payloads: The payload of each output.
            optional: The optional field as it was in the request; empty if it had none.
        """
        parts: list[Payload] = []
        for prefix, at in zip(self.prefixes, self._outputs, strict=False):
            parts += (prefix, payloads[at])
        if len(self.prefixes) > len(self._outputs):
            parts.append(self.prefixes[-1])
        if optional:
            first, at = self.prefixes[0], self.optional_at
            parts[0] = first[:at] + optional + first[at:]
        return b"".join(parts)


class LayoutCache:
    """The layout of the last response. The next one nearly always has the same outputs and shapes."""

    __slots__ = ("_layout", "_shapes", "_specs")

    def __init__(self) -> None:
        # The specs are one object for each model and choice of outputs, so they stand for the model as well.
        self._specs: Sequence[TensorSpec] | None = None
        self._shapes: Sequence[tuple[int, ...]] = ()
        self._layout: ResponseLayout | None = None

    def get(
        self,
        specs: Sequence[TensorSpec],
        shapes: Sequence[tuple[int, ...]],
        result: Callable[[], InferResult],
        lay_out: Callable[[InferResult], ResponseLayout | None],
    ) -> ResponseLayout | None:
        """The layout of a response; None if it has none.

        Args:
            specs: The outputs of the response.
            shapes: Their shapes.
            result: Gives the response, if the layout is not known.
            lay_out: Works the layout out.
        """
        if self._specs is not specs or self._shapes != shapes:
            self._layout = lay_out(result())
            self._specs, self._shapes = specs, shapes
        return self._layout
