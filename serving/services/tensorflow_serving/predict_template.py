"""The templates of Predict: where the payloads of a request are, and what surrounds those of a response.

A payload is the ``tensor_content`` of an input, or its packed ``float_val`` or ``double_val``, whose bytes are those
of the array. The lists of other types are varints, whose length depends on their values.
"""

from dataclasses import dataclass
from math import prod

from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult, InputTensor
from serving.datatypes import BYTES, NUMPY
from serving.services.element_limits import LEN, VARINT
from serving.services.request_template import RequestTemplate, constants_around
from serving.services.response_layout import ResponseLayout
from serving.services.tensorflow_serving import tensor_proto
from serving.services.wire_fields import FieldTable, IrregularMessageError, MessageWalk, WireField, only

_INPUTS, _OUTPUTS = 2, 1

_REQUEST = FieldTable({1: LEN, _INPUTS: LEN, 3: LEN}, frozenset({_INPUTS, 3}))

_RESPONSE = FieldTable({_OUTPUTS: LEN, 2: LEN}, frozenset({_OUTPUTS}))

_KEY, _VALUE = 1, 2

_ENTRY = FieldTable({_KEY: LEN, _VALUE: LEN})

_CONTENT = 4

_TENSOR = FieldTable({1: VARINT, 2: LEN, 3: VARINT, _CONTENT: LEN, 5: LEN, 6: LEN})

_PACKED = {"FP32": 5, "FP64": 6}
"""The lists whose packed form is the array."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PredictTemplate(RequestTemplate):
    """A template of requests to Predict.

    Attributes:
        spec: Names the model. The version of ``request`` is empty, because what a label stands for may change.
    """

    spec: pb.ModelSpec


def make_template(data: bytes, message: pb.PredictRequest, _optional: tuple[int, int]) -> PredictTemplate:
    """The template of a request.

    Args:
        data: The request.
        message: The same, parsed; it was answered.

    Raises:
        IrregularMessageError: It cannot become one.
    """
    walk = MessageWalk(data)
    entries = [field for field in walk.message(_REQUEST) if field.number == _INPUTS]
    if not entries or len(entries) != len(message.inputs):
        # Of entries with the same key the last one counts.
        raise IrregularMessageError
    inputs, payloads = [], []
    for entry in entries:
        name, value = _entry(data, walk, entry)
        tensor = message.inputs[name]
        datatype, shape = tensor_proto.datatype_of(name, tensor), tensor_proto.shape_of(name, tensor)
        payload = _payload(walk, value, datatype)
        if datatype == BYTES or payload.end - payload.at != prod(shape) * NUMPY[datatype].itemsize:
            # A list may be shorter than the tensor; its last element is then repeated.
            raise IrregularMessageError
        inputs.append(InputTensor(name, datatype, shape))
        payloads.append(payload)
    spec = message.model_spec
    outputs = tuple(message.output_filter)
    return PredictTemplate(
        constants=constants_around(data, payloads),
        payload_sizes=tuple(field.end - field.at for field in payloads),
        request=InferRequest(spec.name, "", inputs, (), outputs, signature=spec.signature_name),
        spec=pb.ModelSpec.FromString(spec.SerializeToString()),
    )


def lay_out(result: InferResult, response: bytes) -> ResponseLayout | None:
    """The layout of responses like this one; None if not all outputs are written as the bytes of their array.

    Args:
        result: The response.
        response: The same, serialised. Protobuf chooses the order of the outputs.
    """
    walk, names = MessageWalk(response), [spec.name for spec in result.specs]
    outputs, payloads = [], []
    try:
        for field in walk.message(_RESPONSE):
            if field.number == _OUTPUTS:
                name, value = _entry(response, walk, field)
                at = names.index(name)
                payload = _payload(walk, value, result.specs[at].datatype)
                if payload.end - payload.at != result.arrays[at].nbytes:
                    return None
                outputs.append(at)
                payloads.append(payload)
    except IrregularMessageError:
        return None
    if len(outputs) != len(result.specs):
        return None
    return ResponseLayout(constants_around(response, payloads), outputs, len(response))


def _entry(data: bytes, walk: MessageWalk, entry: WireField) -> tuple[str, WireField]:
    """The name of an input or output, and its tensor."""
    fields = walk.within(entry, _ENTRY)
    key = only(fields, _KEY)
    return data[key.at : key.end].decode(), only(fields, _VALUE)


def _payload(walk: MessageWalk, tensor: WireField, datatype: str) -> WireField:
    """The field of a tensor that holds its elements."""
    fields = walk.within(tensor, _TENSOR)
    holding = [field for field in fields if field.number >= _CONTENT]
    if len(holding) != 1 or holding[0].number not in {_CONTENT, _PACKED.get(datatype)}:
        raise IrregularMessageError
    return holding[0]
