"""Between the messages of the Open Inference Protocol and those of the dataplane, in pairs."""

from collections.abc import Sequence
from typing import Any

from protos import open_inference_pb2 as pb
from serving.dataplane.messages import InferRequest, InferResult, InputTensor, ModelMetadata, ServerMetadata
from serving.datatypes import BYTES, pack_bytes
from serving.errors import InvalidInputError
from serving.runtimes.runtime import Array, TensorSpec

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


def to_infer_request(message: pb.ModelInferRequest, deadline: float | None) -> InferRequest:
    """What a client asks for.

    Raises:
        InvalidInputError: Typed elements came in a field of another datatype.
    """
    return InferRequest(
        message.model_name,
        message.model_version,
        [InputTensor(each.name, each.datatype, tuple(each.shape), _values(each)) for each in message.inputs],
        message.raw_input_contents,
        tuple(each.name for each in message.outputs),
        deadline,
    )


def from_infer_result(result: InferResult, request_id: str) -> pb.ModelInferResponse:
    """The answer, always raw: tritonclient reads nothing else."""
    response = pb.ModelInferResponse(model_name=result.model, model_version=result.version, id=request_id)
    for spec, array in zip(result.specs, result.arrays, strict=True):
        response.outputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        response.raw_output_contents.append(wire_form(array, spec.datatype))
    return response


def from_model_metadata(metadata: ModelMetadata) -> pb.ModelMetadataResponse:
    """What a model takes and returns."""
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=_tensors(metadata.inputs),
        outputs=_tensors(metadata.outputs),
    )


def from_server_metadata(metadata: ServerMetadata) -> pb.ServerMetadataResponse:
    """What the server is."""
    return pb.ServerMetadataResponse(
        name=metadata.name, version=metadata.version, extensions=metadata.extensions
    )


def wire_form(array: Array, datatype: str) -> bytes:
    """The little-endian row-major bytes of a tensor."""
    if datatype == BYTES:
        return pack_bytes(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _tensors(specs: Sequence[TensorSpec]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    made = pb.ModelMetadataResponse.TensorMetadata
    return [made(name=spec.name, datatype=spec.datatype, shape=spec.shape) for spec in specs]


def _values(tensor: pb.ModelInferRequest.InferInputTensor) -> Sequence[Any] | None:
    if not tensor.HasField("contents"):
        return None
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
