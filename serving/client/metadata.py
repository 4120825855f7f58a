"""The metadata of a model: its inputs and outputs."""

from dataclasses import dataclass

from protos import open_inference_pb2 as pb


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """An input or an output.

    Attributes:
        name: Its name on the wire.
        datatype: Such as ``FP32``.
        shape: With the batch; -1 where a dimension is free.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model's name, versions, platform, inputs and outputs."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


def from_wire(message: pb.ModelMetadataResponse) -> ModelMetadata:
    """Read the server's answer."""
    inputs, outputs = (
        tuple(TensorMetadata(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in tensors)
        for tensors in (message.inputs, message.outputs)
    )
    return ModelMetadata(message.name, tuple(message.versions), message.platform, inputs, outputs)
