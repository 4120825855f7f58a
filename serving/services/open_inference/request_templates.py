"""Requests that differ from an earlier one in their tensors only.

A client asks the same model for the same outputs again and again, and only the numbers change. Such a message is
equal, byte for byte, but for the payloads of ``raw_input_contents``, which stand at its end:

    model_name, inputs, ...  |  tag, length  |  payload  |  tag, length  |  payload
    ------------ head ------------------------           ---- seam ------

So what the head says is parsed once, the payloads are viewed where they lie, and of the answer the part that is
always the same is written once. What the dataplane checks it checks again, for each request.
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

PLACES = 256
"""Places for messages, by their length."""

EACH = 4
"""Messages remembered in each; those that differ in a name or a version are often as long as each other.

Clients cannot make the server remember more.
"""

LONGEST_HEAD = 4096
"""Bytes; a message that says more than this beside its tensors is not remembered."""

_INPUT_TAG = b"\x3a"
"""Field 7 of a request, length-delimited: ``raw_input_contents``."""

_OUTPUT_TAG = b"\x32"
"""Field 6 of an answer, length-delimited: ``raw_output_contents``."""


@dataclass(slots=True)
class Repeat:
    """A message to which others are equal but for their payloads.

    Attributes:
        request: What it asks.
        length: How long it is.
        head: Its bytes before the first payload.
        payloads: Where each payload begins and ends.
        seams: What stands between payloads, and where.
        specs: The outputs of the last answer; answers with the same ones, of the same shapes, begin alike.
        shapes: Their shapes.
        openings: What stands before each of their payloads.
    """

    request: InferRequest
    length: int
    head: bytes
    payloads: Sequence[slice]
    seams: Sequence[tuple[slice, bytes]]
    specs: Sequence[TensorSpec] = ()
    shapes: Sequence[tuple[int, ...]] = ()
    openings: Sequence[bytes] = ()

    def fits(self, data: bytes) -> bool:
        """Whether a message is equal to this one but for its payloads."""
        return (
            len(data) == self.length
            and data.startswith(self.head)
            and all(data[where] == seam for where, seam in self.seams)
        )

    def asked(self, data: bytes, deadline: float | None) -> InferRequest:
        """What a message that fits asks. Its payloads are viewed, not copied."""
        known, view = self.request, memoryview(data)
        raw = [view[where] for where in self.payloads]
        return InferRequest(known.model, known.version, known.inputs, raw, known.outputs, deadline)

    def answer(self, result: InferResult) -> bytes:
        """The wire form of an answer, the same bytes that protobuf writes."""
        specs, arrays = result.specs, result.arrays
        shapes = [array.shape for array in arrays]
        if self.specs is not specs or self.shapes != shapes:
            self.specs, self.shapes, self.openings = specs, shapes, _openings(result)
        parts: list[bytes | memoryview] = []
        for opening, spec, array in zip(self.openings, specs, arrays, strict=True):
            data = wire_view(array, spec.datatype)
            # How long a text is, no shape tells.
            parts += (opening, write_number(len(data)), data) if spec.datatype == BYTES else (opening, data)
        return b"".join(parts)


class Repeats:
    """The messages that may come again."""

    def __init__(self) -> None:
        self._seen = [0] * PLACES
        self._known: list[list[Repeat]] = [[] for _ in range(PLACES)]

    def find(self, data: bytes) -> Repeat | None:
        """The message to which this one is equal but for its payloads, if it is remembered."""
        for known in self._known[len(data) % PLACES]:
            if known.fits(data):
                return known
        return None

    def learn(self, data: bytes, message: pb.ModelInferRequest) -> None:
        """Remember a message that is none of those found, if one as long as it came before.

        Args:
            data: The message.
            message: What it says.
        """
        place = len(data) % PLACES
        # Several that are equal may be under way at once, and each comes here.
        if self._seen[place] == len(data) and _plain(message) and self.find(data) is None:
            payloads = _payloads(data, message.raw_input_contents)
            if (
                payloads
                and payloads[0].start <= LONGEST_HEAD
                and _proved(data[: payloads[0].start], payloads[0])
            ):
                # The newest first: of those that went, the places are needed.
                self._known[place] = [_repeat(data, payloads, message), *self._known[place][: EACH - 1]]
        self._seen[place] = len(data)


def _plain(message: pb.ModelInferRequest) -> bool:
    """Whether all that changes is the tensors, and they all came raw."""
    return (
        not (message.id or message.parameters)
        and len(message.raw_input_contents) == len(message.inputs)
        and not any(each.parameters or each.HasField("contents") for each in message.inputs)
        and not any(each.parameters for each in message.outputs)
    )


def _payloads(data: bytes, contents: Sequence[bytes]) -> list[slice]:
    """Where the contents stand if they are all that stands at the end of a message; else nothing."""
    end, found = len(data), []
    for content in reversed(contents):
        start = end - len(content)
        found.append(slice(start, end))
        opening = _INPUT_TAG + write_number(len(content))
        end = start - len(opening)
        if end < 0 or data[end:start] != opening:
            return []
    return found[::-1]


def _proved(head: bytes, payload: slice) -> bool:
    """Whether what stands behind a head can only be payloads with their tags and lengths.

    A message may be written so that what looks like its last fields is part of another one. But if what stands before
    the first of them is a whole message by itself, and holds no raw contents, then they are fields of their own.

    Args:
        head: The bytes before the first payload.
        payload: Where that begins and ends.
    """
    before = head[: -len(_INPUT_TAG + write_number(payload.stop - payload.start))]
    try:
        return not pb.ModelInferRequest.FromString(before).raw_input_contents
    except DecodeError:
        return False


def _repeat(data: bytes, payloads: Sequence[slice], message: pb.ModelInferRequest) -> Repeat:
    inputs = [InputTensor(each.name, each.datatype, tuple(each.shape)) for each in message.inputs]
    outputs = tuple(each.name for each in message.outputs)
    request = InferRequest(message.model_name, message.model_version, inputs, (), outputs)
    between = [slice(one.stop, other.start) for one, other in pairwise(payloads)]
    seams = [(where, data[where]) for where in between]
    return Repeat(request, len(data), data[: payloads[0].start], payloads, seams)


def _openings(result: InferResult) -> list[bytes]:
    """What stands before each payload of an answer: before the first one, all that is no payload."""
    response = pb.ModelInferResponse(model_name=result.model, model_version=result.version)
    for spec, array in zip(result.specs, result.arrays, strict=True):
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
    lengths = [
        b"" if spec.datatype == BYTES else write_number(array.nbytes)
        for spec, array in zip(result.specs, result.arrays, strict=True)
    ]
    first, *others = [_OUTPUT_TAG + length for length in lengths]
    return [response.SerializeToString() + first, *others]
