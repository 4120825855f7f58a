"""The templates of ModelInfer: where payloads and id of a request are, and what surrounds those of a response.

A payload is an entry of ``raw_input_contents``, or the packed numbers of ``fp32_contents`` or ``fp64_contents``,
whose bytes are those of the array. Other typed contents are varints, whose length depends on their values.
"""

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferResult, InputTensor
from serving.dataplane.shared_memory import SharedMemory
from serving.datatypes import BYTES
from serving.services.element_limits import LEN
from serving.services.open_inference import request_parameters, tensor_messages
from serving.services.request_template import RequestTemplate, constants_around
from serving.services.request_templates import LONGEST_OPTIONAL
from serving.services.response_layout import ResponseLayout
from serving.services.wire_fields import (
    FieldTable,
    IrregularMessageError,
    MessageWalk,
    WireField,
    only,
)
from serving.varint import read_number, write_number

_ID, _INPUTS, _RAW = 3, 5, 7

_REQUEST = FieldTable(dict.fromkeys(range(1, 8), LEN), frozenset({4, _INPUTS, 6, _RAW}))

_CONTENTS = 5

_INPUT = FieldTable(dict.fromkeys(range(1, 6), LEN), frozenset({4}))

_PACKED = {"FP32": 6, "FP64": 7}
"""The fields of typed contents whose packed form is the array."""

ID_TAG = _ID << 3 | LEN
"""The tag of the id, in requests and in responses."""

_NAME_TAG, _VERSION_TAG = 1 << 3 | LEN, 2 << 3 | LEN

_OUTPUT_TAG = b"\x32"
"""Field 6 of a response, length-delimited: ``raw_output_contents``."""

_NO_MEMORY = SharedMemory(allowed=False)


def id_range(data: bytes) -> tuple[int, int]:
    """Where the id of a request is, from its tag to its end. Where it would be, twice, if there is none.

    Clients write it behind the name and the version of the model. An id that is elsewhere, or not short ASCII text,
    is not found.
    """
    at = 0
    try:
        for tag in (_NAME_TAG, _VERSION_TAG):
            if data[at] == tag:
                size, at = read_number(data, at + 1)
                at += size
        if data[at] != ID_TAG or not 0 < data[at + 1] <= LONGEST_OPTIONAL:
            return at, at
        end = at + 2 + data[at + 1]
    except IndexError:
        # The end of the message, which may have no fields but these.
        return 0, 0
    return (at, end) if end <= len(data) and data[at + 2 : end].isascii() else (at, at)


def id_text(field: bytes) -> str:
    """The text of an id field that :func:`id_range` found; empty if there is none."""
    return field[2:].decode()


def make_template(data: bytes, message: pb.ModelInferRequest, id_at: tuple[int, int]) -> RequestTemplate:
    """The template of a request.

    Args:
        data: The request.
        message: The same, parsed; it was answered.
        id_at: Where its id begins and ends.

    Raises:
        IrregularMessageError: It cannot become one.
    """
    fields = MessageWalk(data).message(_REQUEST)
    start, end = id_at
    if any(field.number == _ID and (field.start, field.end) != id_at for field in fields):
        raise IrregularMessageError
    if request_parameters.locations((*message.inputs, *message.outputs)):
        # What is in shared memory is not in the message.
        raise IrregularMessageError
    payloads = _payloads(data, fields, message)
    if payloads[0].at < end:
        raise IrregularMessageError
    first, *others = constants_around(data, payloads)
    request = tensor_messages.to_infer_request(message, None, _NO_MEMORY)
    request.raw = ()
    request.inputs = [InputTensor(each.name, each.datatype, each.shape) for each in request.inputs]
    return RequestTemplate(
        constants=(first[:start] + first[end:], *others),
        payload_sizes=tuple(field.end - field.at for field in payloads),
        optional_tag=ID_TAG,
        optional_at=start,
        request=request,
    )


def lay_out(result: InferResult) -> ResponseLayout | None:
    """The layout of responses like this one; None if their lengths do not follow from their shapes."""
    if not result.specs or any(spec.datatype == BYTES for spec in result.specs):
        return None
    response = pb.ModelInferResponse(model_name=result.model, model_version=result.version)
    id_at = response.ByteSize()
    for spec, array in zip(result.specs, result.arrays, strict=True):
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
    first, *others = [_OUTPUT_TAG + write_number(array.nbytes) for array in result.arrays]
    constants = (response.SerializeToString() + first, *others, b"")
    size = sum(map(len, constants)) + sum(array.nbytes for array in result.arrays)
    return ResponseLayout(constants, range(len(result.arrays)), size, id_at)


def _payloads(data: bytes, fields: list[WireField], message: pb.ModelInferRequest) -> list[WireField]:
    """The fields that hold the elements of each input, in order."""
    inputs = [field for field in fields if field.number == _INPUTS]
    raw = [field for field in fields if field.number == _RAW]
    typed = [tensor.HasField("contents") for tensor in message.inputs]
    if raw:
        if any(typed) or len(raw) != len(inputs):
            raise IrregularMessageError
        return raw
    if not typed or not all(typed):
        raise IrregularMessageError
    walk = MessageWalk(data)
    return [
        _packed(walk, field, tensor.datatype) for field, tensor in zip(inputs, message.inputs, strict=True)
    ]


def _packed(walk: MessageWalk, tensor: WireField, datatype: str) -> WireField:
    """The packed numbers of an input with typed contents."""
    number = _PACKED.get(datatype)
    if number is None:
        raise IrregularMessageError
    contents = only(walk.within(tensor, _INPUT), _CONTENTS)
    return only(walk.within(contents, FieldTable({number: LEN})), number)
