"""A template of requests: what messages that differ only in their tensors and their id have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from serving.dataplane.messages import InferRequest, InferResult
from serving.services.response_layout import LayoutCache, ResponseLayout
from serving.services.tensor_bytes import wire_views
from serving.services.wire_fields import WireField
from serving.transport.transport import MessageTemplate


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RequestTemplate(MessageTemplate):
    """A template of requests to a model.

    Attributes:
        request: What all its requests say: everything but the payloads and the deadline. Payload ``k`` is the raw
            content of input ``k``.
        layouts: The layout of the last response.
        length: The bytes of a message without the optional field.
    """

    request: InferRequest
    layouts: LayoutCache = field(default_factory=LayoutCache)
    length: int = field(init=False)
    _starts: tuple[int, ...] = field(init=False)
    _rest: tuple[tuple[int, bytes], ...] = field(init=False)

    def __post_init__(self) -> None:
        at, starts, rest = len(self.constants[0]), [], []
        for size, constant in zip(self.payload_sizes, self.constants[1:], strict=True):
            starts.append(at)
            at += size
            if constant:
                rest.append((at, constant))
            at += len(constant)
        object.__setattr__(self, "length", at)
        object.__setattr__(self, "_starts", tuple(starts))
        object.__setattr__(self, "_rest", tuple(rest))

    def matches(self, data: bytes, optional: int) -> bool:
        """Whether a message matches.

        Args:
            data: The message.
            optional: The bytes of its optional field, tag and length included; 0 if it has none.
        """
        if len(data) != self.length + optional:
            return False
        head, at = self.constants[0], self.optional_at
        if not optional:
            begins = data.startswith(head)
        else:
            begins = data.startswith(head[:at]) and data.startswith(head[at:], at + optional)
        # Most messages end with a payload, and ``all`` would make a generator for nothing.
        return begins and (
            not self._rest or all(data.startswith(rest, start + optional) for start, rest in self._rest)
        )

    def infer_request(self, data: bytes, optional: int, deadline: float | None) -> InferRequest:
        """The request in a message that matches. Its payloads are views of the message.

        Args:
            data: The message.
            optional: As for :meth:`matches`.
            deadline: When the client stops waiting.
        """
        known, view = self.request, memoryview(data)
        raw = [
            view[start + optional : start + optional + size]
            for start, size in zip(self._starts, self.payload_sizes, strict=True)
        ]
        return InferRequest(
            known.model, known.version, known.inputs, raw, known.outputs, deadline,
            known.priority, known.timeout, known.classes, known.signature,
        )  # fmt: skip

    def serialize(
        self,
        result: InferResult,
        lay_out: Callable[[InferResult], ResponseLayout | None],
        optional: bytes = b"",
    ) -> bytes | None:
        """The wire form of the response to a message that matches; the same bytes that protobuf writes.

        Args:
            result: The response.
            lay_out: Works out the layout of a response; None if it has none.
            optional: The optional field of the message, tag and length included; empty if it had none.

        Returns:
            None if responses like this one have no layout.
        """
        shapes = [array.shape for array in result.arrays]
        layout = self.layouts.get(result.specs, shapes, lambda: result, lay_out)
        return None if layout is None else layout.serialize(wire_views(result.specs, result.arrays), optional)


def constants_around(data: bytes, payloads: Sequence[WireField]) -> tuple[bytes, ...]:
    """The bytes of a message before, between and after some of its fields' values.

    Args:
        data: The message.
        payloads: The fields, in the order in which they stand in the message.
    """
    between = [data[one.end : other.at] for one, other in pairwise(payloads)]
    return (data[: payloads[0].at], *between, data[payloads[-1].end :])
