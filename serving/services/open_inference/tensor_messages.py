"""Converts between the messages of the Open Inference Protocol and those of the dataplane."""

from collections.abc import Sequence
from typing import Any

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult, InputTensor, ModelMetadata, ServerMetadata
from serving.dataplane.shared_memory import SharedMemory
from serving.errors import InvalidInputError
from serving.runtimes.runtime import TensorSpec
from serving.services.open_inference import request_parameters
from serving.services.tensor_bytes import wire_form, wire_view

FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field of InferTensorContents that holds a datatype's elements; FP16 and BF16 have none."""


def to_infer_request(
    message: pb.ModelInferRequest, deadline: float | None, memory: SharedMemory
) -> InferRequest:
    """Convert a request.

    Args:
        message: The request.
        deadline: When the client stops waiting.
        memory: Shared memory, which may hold some of its tensors.

    Raises:
        ServingError: Typed elements are in the field of another datatype, a parameter is invalid, or a tensor in
            shared memory cannot be read.
    """
    inputs, has_parameters = [], False
    for each in message.inputs:
        values = _values(each) if each.HasField("contents") else None
        inputs.append(InputTensor(each.name, each.datatype, tuple(each.shape), values))
        has_parameters = has_parameters or bool(each.parameters)
    request = InferRequest(
        message.model_name, message.model_version, inputs, message.raw_input_contents, (), deadline
    )
    if message.parameters:
        request.priority = request_parameters.priority(message.parameters)
        request.timeout = request_parameters.timeout(message.parameters)
        request_parameters.refuse_sequences(message.parameters)
    if has_parameters:
        request.raw = _raw_inputs(message, memory)
    if message.outputs:
        request.outputs = tuple(each.name for each in message.outputs)
        request.classes = request_parameters.classes(message.outputs)
    return request


def from_infer_result(
    result: InferResult, request: pb.ModelInferRequest, memory: SharedMemory
) -> pb.ModelInferResponse:
    """Convert an answer. Its tensors are always raw, because tritonclient reads nothing else.

    Args:
        result: The answer of the model.
        request: The request, which says which outputs go to shared memory.
        memory: Shared memory.

    Raises:
        ServingError: An output cannot be written to shared memory.
    """
    response = pb.ModelInferResponse(model_name=result.model, model_version=result.version, id=request.id)
    parameters_of, written = {}, 0
    if request.outputs:
        parameters_of = {each.name: each.parameters for each in request.outputs if each.parameters}
    for spec, array in zip(result.specs, result.arrays, strict=True):
        output = response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        location = (
            request_parameters.location(parameters_of[spec.name]) if spec.name in parameters_of else None
        )
        if location is None:
            response.raw_output_contents.append(wire_form(array, spec.datatype))
            continue
        data = memoryview(wire_view(array, spec.datatype))
        written += data.nbytes
        memory.check_size(written)
        memory.write(location.region, location.offset, location.size, data)
        request_parameters.write_location(output.parameters, location, data.nbytes)
        # Clients find an output's raw content by the output's position, so none may be left out.
        response.raw_output_contents.append(b"")
    return response


def from_model_metadata(metadata: ModelMetadata) -> pb.ModelMetadataResponse:
    """Convert the metadata of a model."""
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=_tensors(metadata.inputs),
        outputs=_tensors(metadata.outputs),
    )


def from_server_metadata(metadata: ServerMetadata) -> pb.ServerMetadataResponse:
    """Convert the metadata of the server."""
    return pb.ServerMetadataResponse(
        name=metadata.name, version=metadata.version, extensions=metadata.extensions
    )


def _tensors(specs: Sequence[TensorSpec]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    made = pb.ModelMetadataResponse.TensorMetadata
    return [made(name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in specs]


def _raw_inputs(message: pb.ModelInferRequest, memory: SharedMemory) -> list[bytes | memoryview | None]:
    """The wire form of each input, from shared memory or the message; None for inputs with typed contents."""
    sent = list(message.raw_input_contents)
    raw: list[bytes | memoryview | None] = []
    for tensor in message.inputs:
        location = request_parameters.location(tensor.parameters)
        if location is not None:
            raw.append(memory.read(location.region, location.offset, location.size))
        elif tensor.HasField("contents"):
            raw.append(None)
        else:
            raw.append(sent.pop(0) if sent else None)
    if sent:
        raise InvalidInputError(f"{len(sent)} raw contents came for no input")
    return raw


def _values(tensor: pb.ModelInferRequest.InferInputTensor) -> Sequence[Any] | None:
    filled = {descriptor.name: values for descriptor, values in tensor.contents.ListFields()}
    if not filled:
        return None
    field = FIELDS.get(tensor.datatype)
    # Without a field the datatype is unknown or travels raw only; the dataplane says which.
    if field is not None and list(filled) != [field]:
        raise InvalidInputError(
            f"input '{tensor.name}' is of datatype {tensor.datatype} and takes {field}; "
            f"got {', '.join(filled)}"
        )
    values: Sequence[Any] = next(iter(filled.values()))
    return values
