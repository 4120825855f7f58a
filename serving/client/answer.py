"""The answer to an inference, as numpy arrays."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from protos import open_inference_pb2 as pb
from serving.client.errors import AnswerError
from serving.datatypes import BF16, BYTES, NUMPY, bf16_to_float32, byte_size, unpack_bytes

CONTENTS: Final = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where the elements of each datatype stand in a typed tensor; FP16 and BF16 travel raw only."""


class Answer(dict[str, NDArray[Any]]):
    """Output arrays by name: BYTES are objects of type bytes, BF16 is widened to float32.

    Attributes:
        model: The model that answered.
        version: The version that answered.
        id: The id of the request.
    """

    def __init__(self, message: pb.ModelInferResponse) -> None:
        raw = message.raw_output_contents
        if raw and len(raw) != len(message.outputs):
            raise AnswerError(f"the answer announces {len(message.outputs)} outputs and holds {len(raw)}")
        super().__init__()
        for index, tensor in enumerate(message.outputs):
            self[tensor.name] = _from_raw(tensor, raw[index]) if raw else _from_contents(tensor)
        self.model = message.model_name
        self.version = message.model_version
        self.id = message.id


def _count(tensor: pb.ModelInferResponse.InferOutputTensor) -> int:
    if tensor.datatype not in NUMPY:
        raise AnswerError(f"output '{tensor.name}': datatype {tensor.datatype} is unknown")
    if any(size < 0 for size in tensor.shape):
        raise AnswerError(f"output '{tensor.name}' has a negative dimension: {list(tensor.shape)}")
    count = 1
    for size in tensor.shape:
        count *= size
    return count


def _from_raw(tensor: pb.ModelInferResponse.InferOutputTensor, data: bytes) -> NDArray[Any]:
    count = _count(tensor)
    if tensor.datatype == BYTES:
        try:
            return unpack_bytes(data, count).reshape(tensor.shape)
        except ValueError as error:
            raise AnswerError(f"output '{tensor.name}': {error}") from error
    if len(data) != byte_size(tensor.datatype, count):
        raise AnswerError(
            f"output '{tensor.name}' is {tensor.datatype} {list(tensor.shape)} and came as {len(data)} bytes"
        )
    array = np.frombuffer(data, NUMPY[tensor.datatype].newbyteorder("<")).reshape(tensor.shape)
    return bf16_to_float32(array) if tensor.datatype == BF16 else array


def _from_contents(tensor: pb.ModelInferResponse.InferOutputTensor) -> NDArray[Any]:
    count = _count(tensor)
    field = CONTENTS.get(tensor.datatype)
    if field is None:
        raise AnswerError(f"output '{tensor.name}' is {tensor.datatype} and did not come as raw bytes")
    elements = getattr(tensor.contents, field)
    if len(elements) != count:
        raise AnswerError(
            f"output '{tensor.name}' is {tensor.datatype} {list(tensor.shape)} and came with "
            f"{len(elements)} elements"
        )
    return np.fromiter(elements, NUMPY[tensor.datatype], count).reshape(tensor.shape)
