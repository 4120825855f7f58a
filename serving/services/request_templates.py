"""Skips the parsing of requests that differ from an earlier one in their tensors only.

A client asks the same model for the same outputs again and again, and only the numbers change. Such messages are
equal, byte for byte, except for the payloads of ``raw_input_contents``, which are at their end:

    model_name, inputs, ...  |  tag, length  |  payload  |  tag, length  |  payload
    ------------ head ------------------------           -- separator --

So the head is parsed once, the payloads are views of the message, and the constant part of the response is serialised
once. The dataplane checks each request all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from google.protobuf.message import DecodeError

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult, InputTensor
from serving.datatypes import BYTES
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference.tensor_messages import wire_view
from serving.varint import write_number

BUCKETS = 256
"""Buckets for templates; the length of a message selects one."""

BUCKET_SIZE = 4
"""Templates in a bucket: messages that differ in a name or a version often have the same length.

Clients cannot make the server keep more.
"""

LONGEST_HEAD = 4096
"""Bytes of a head. A message with a longer one does not become a template."""

_INPUT_TAG = b"\x3a"
"""Field 7 of a request, length-delimited: ``raw_input_contents``."""

_OUTPUT_TAG = b"\x32"
"""Field 6 of a response, length-delimited: ``raw_output_contents``."""


@dataclass(slots=True)
class RequestTemplate:
    """A message that others equal except for their payloads.

    Attributes:
        request: The request, without payloads.
        length: The bytes of the message.
        head: Its bytes before the first payload.
        payloads: Where each payload begins and ends.
        separators: The bytes between payloads, and where they are.
        specs: The outputs of the last response. Responses with the same outputs and shapes have the same prefixes.
        shapes: The shapes of those outputs.
        prefixes: What precedes each of their payloads on the wire.
    """

    request: InferRequest
    length: int
    head: bytes
    payloads: Sequence[slice]
    separators: Sequence[tuple[slice, bytes]]
    specs: Sequence[TensorSpec] = ()
    shapes: Sequence[tuple[int, ...]] = ()
    prefixes: Sequence[bytes] = ()

    def matches(self, data: bytes) -> bool:
        """Whether a message equals this one except for its payloads."""
        return (
            len(data) == self.length
            and data.startswith(self.head)
            and all(data[where] == separator for where, separator in self.separators)
        )

    def to_infer_request(self, data: bytes, deadline: float | None) -> InferRequest:
        """The request in a message that matches. Its payloads are viewed, not copied."""
        known, view = self.request, memoryview(data)
        raw = [view[where] for where in self.payloads]
        return InferRequest(known.model, known.version, known.inputs, raw, known.outputs, deadline)

    def serialize(self, result: InferResult) -> bytes:
        """The wire form of a response; the same bytes that protobuf writes."""
        specs, arrays = result.specs, result.arrays
        shapes = [array.shape for array in arrays]
        if self.specs is not specs or self.shapes != shapes:
            self.specs, self.shapes, self.prefixes = specs, shapes, _prefixes(result)
        parts: list[bytes | memoryview] = []
        for prefix, spec, array in zip(self.prefixes, specs, arrays, strict=True):
            data = wire_view(array, spec.datatype)
            # The length of BYTES elements does not follow from the shape.
            parts += (prefix, write_number(len(data)), data) if spec.datatype == BYTES else (prefix, data)
        return b"".join(parts)


class RequestTemplates:
    """The templates of the messages that came more than once."""

    def __init__(self) -> None:
        self._last_length = [0] * BUCKETS
        self._buckets: list[list[RequestTemplate]] = [[] for _ in range(BUCKETS)]

    def find(self, data: bytes) -> RequestTemplate | None:
        """The template that a message matches; None if there is none."""
        for template in self._buckets[len(data) % BUCKETS]:
            if template.matches(data):
                return template
        return None

    def learn(self, data: bytes, message: pb.ModelInferRequest) -> None:
        """Make a template of a message that matches none, if the last message in its bucket had the same length.

        Args:
            data: The message.
            message: The same, parsed.
        """
        bucket = len(data) % BUCKETS
        # Several equal messages may be in flight at once, and each of them gets here.
        if self._last_length[bucket] == len(data) and _is_plain(message) and self.find(data) is None:
            payloads = _payloads(data, message.raw_input_contents)
            if (
                payloads
                and payloads[0].start <= LONGEST_HEAD
                and _is_complete_head(data[: payloads[0].start], payloads[0])
            ):
                # The newest first; the oldest makes room.
                self._buckets[bucket] = [
                    _template(data, payloads, message),
                    *self._buckets[bucket][: BUCKET_SIZE - 1],
                ]
        self._last_length[bucket] = len(data)


def _is_plain(message: pb.ModelInferRequest) -> bool:
    """Whether only the tensors can vary, and all of them are raw."""
    return (
        not (message.id or message.parameters)
        and len(message.raw_input_contents) == len(message.inputs)
        and not any(each.parameters or each.HasField("contents") for each in message.inputs)
        and not any(each.parameters for each in message.outputs)
    )


def _payloads(data: bytes, contents: Sequence[bytes]) -> list[slice]:
    """Where the raw contents are, if they are the last fields of a message without a gap; otherwise empty."""
    end, found = len(data), []
    for content in reversed(contents):
        start = end - len(content)
        found.append(slice(start, end))
        prefix = _INPUT_TAG + write_number(len(content))
        end = start - len(prefix)
        if end < 0 or data[end:start] != prefix:
            return []
    return found[::-1]


def _is_complete_head(head: bytes, payload: slice) -> bool:
    """Whether what follows a head can only be payloads with their tags and lengths.

    A message may be crafted so that what looks like its last fields is part of another field. But if the bytes before
    the first of them are a complete message, and hold no raw contents, then those fields stand on their own.

    Args:
        head: The bytes before the first payload.
        payload: Where that begins and ends.
    """
    before = head[: -len(_INPUT_TAG + write_number(payload.stop - payload.start))]
    try:
        return not pb.ModelInferRequest.FromString(before).raw_input_contents
    except DecodeError:
        return False


def _template(data: bytes, payloads: Sequence[slice], message: pb.ModelInferRequest) -> RequestTemplate:
    inputs = [InputTensor(each.name, each.datatype, tuple(each.shape)) for each in message.inputs]
    outputs = tuple(each.name for each in message.outputs)
    request = InferRequest(message.model_name, message.model_version, inputs, (), outputs)
    between = [slice(one.stop, other.start) for one, other in pairwise(payloads)]
    separators = [(where, data[where]) for where in between]
    return RequestTemplate(request, len(data), data[: payloads[0].start], payloads, separators)


def _prefixes(result: InferResult) -> list[bytes]:
    """What precedes each payload of a response: before the first, all other fields and its tag."""
    response = pb.ModelInferResponse(model_name=result.model, model_version=result.version)
    for spec, array in zip(result.specs, result.arrays, strict=True):
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
    lengths = [
        b"" if spec.datatype == BYTES else write_number(array.nbytes)
        for spec, array in zip(result.specs, result.arrays, strict=True)
    ]
    first, *others = [_OUTPUT_TAG + length for length in lengths]
    return [response.SerializeToString() + first, *others]
