"""Converts between ``model_warmup`` of ``inference.ModelConfig`` and our own warm-up requests."""

from collections.abc import Mapping
from typing import Any

from protos import model_config_pb2 as pb
from serving.errors import ModelLoadError
from serving.repository.config import WarmupInput, WarmupRequest
from serving.services.open_inference import config_tensors


def to_warmup(message: pb.ModelWarmup) -> WarmupRequest:
    """A warm-up request, from a message.

    Raises:
        ModelLoadError: A size of an input is missing.
    """
    inputs = {
        name: WarmupInput(config_tensors.to_datatype(each.data_type), tuple(each.dims), each.random_data)
        for name, each in message.inputs.items()
    }
    if any(size < 1 for each in inputs.values() for size in each.dims):
        raise ModelLoadError(f"its warm-up request '{message.name}' must state every size, from 1")
    return WarmupRequest(message.name, max(1, message.batch_size), inputs, max(1, message.count))


def from_warmup(request: WarmupRequest) -> pb.ModelWarmup:
    """A warm-up request, as a message."""
    made = pb.ModelWarmup(name=request.name, batch_size=request.rows, count=request.count)
    for name, each in request.inputs.items():
        chosen: Mapping[str, Any] = {"random_data" if each.random else "zero_data": True}
        made.inputs[name].CopyFrom(
            pb.ModelWarmup.Input(
                data_type=config_tensors.from_datatype(each.datatype), dims=each.dims, **chosen
            )
        )
    return made
