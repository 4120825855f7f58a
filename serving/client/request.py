"""Builds an inference request from the caller's arrays and the model's metadata."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protos import open_inference_pb2 as pb
from serving.client.arrays import fit
from serving.client.errors import InputError
from serving.client.metadata import ModelMetadata
from serving.datatypes import BYTES, NUMPY, pack_bytes

Inputs: TypeAlias = ArrayLike | Mapping[str, ArrayLike]
"""Arrays by input name; for a model of one input, that array alone."""

Parameter: TypeAlias = bool | int | float | str


def build(
    metadata: ModelMetadata,
    inputs: Inputs,
    *,
    version: str,
    outputs: Sequence[str],
    parameters: Mapping[str, Parameter],
    request_id: str,
) -> pb.ModelInferRequest:
    """Build a request, with all tensors raw.

    The server decides whether an input may be absent.

    Raises:
        InputError: An input is unknown, or of a type that would lose values.
    """
    arrays = _by_name(metadata, inputs)
    request = pb.ModelInferRequest(model_name=metadata.name, model_version=version, id=request_id)
    for tensor in metadata.inputs:
        if tensor.name in arrays:
            array = fit(arrays[tensor.name], tensor)
            request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=array.shape)
            request.raw_input_contents.append(_raw(array, tensor.datatype))
    for name in outputs:
        request.outputs.add(name=name)
    for key, value in parameters.items():
        _set(request.parameters[key], value)
    return request


def _by_name(metadata: ModelMetadata, inputs: Inputs) -> Mapping[str, ArrayLike]:
    names = [tensor.name for tensor in metadata.inputs]
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise InputError(f"model '{metadata.name}' has the inputs {_list(names)}; pass arrays by name")
        return {names[0]: inputs}
    unknown = [name for name in inputs if name not in names]
    if unknown:
        raise InputError(f"model '{metadata.name}' has no input {_list(unknown)}; it has {_list(names)}")
    return inputs


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _raw(array: NDArray[Any], datatype: str) -> bytes:
    if datatype == BYTES:
        return pack_bytes(array)
    return np.asarray(array, NUMPY[datatype].newbyteorder("<")).tobytes()


def _set(parameter: pb.InferParameter, value: Parameter) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        if value < 2**63:
            parameter.int64_param = value
        else:
            parameter.uint64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value
