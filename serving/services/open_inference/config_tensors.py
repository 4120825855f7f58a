"""Converts between the inputs and outputs of ``inference.ModelConfig`` and our own."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from protos import model_config_pb2 as pb
from serving.datatypes import BYTES
from serving.errors import ModelLoadError
from serving.repository.config import TensorConfig
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import TensorSpec

IMAGE_DIMS = 3
"""Height, width and channels."""


def to_tensors(kind: str, declared: Iterable[pb.ModelInput | pb.ModelOutput]) -> tuple[TensorConfig, ...]:
    """The inputs or outputs that a config declares.

    Raises:
        ModelLoadError: One is declared twice, or has an image format without the dims of an image.
    """
    tensors = tuple(_to_tensor(each) for each in declared)
    names = [each.name for each in tensors]
    if len(set(names)) != len(names):
        raise ModelLoadError(f"its config declares an {kind} twice: {', '.join(names)}")
    for each in tensors:
        if each.layout and len(each.dims) != IMAGE_DIMS:
            raise ModelLoadError(
                f"its config declares the {kind} '{each.name}' with format {each.layout} and dims "
                f"{list(each.dims)}; an image has three, without the batch"
            )
    return tensors


def from_inputs(model: LoadedModel) -> list[pb.ModelInput]:
    """The inputs of a model as it is served."""
    return [
        pb.ModelInput(**_described(spec, model, each), format=each.layout or None)
        for spec, each in _declared(model.inputs, model.config.inputs)
    ]


def from_outputs(model: LoadedModel) -> list[pb.ModelOutput]:
    """The outputs of a model as it is served."""
    return [
        pb.ModelOutput(**_described(spec, model, each), label_filename=each.labels)
        for spec, each in _declared(model.outputs, model.config.outputs)
    ]


def to_datatype(data_type: int) -> str:
    """The Open Inference name of a valid DataType."""
    name = pb.DataType.Name(cast("pb.DataType", data_type)).removeprefix("TYPE_")
    return BYTES if name == "STRING" else name


def from_datatype(datatype: str) -> pb.DataType:
    """The DataType of an Open Inference name."""
    name = "STRING" if datatype == BYTES else datatype
    return cast("pb.DataType", pb.DataType.Value(f"TYPE_{name}"))


def _to_tensor(message: pb.ModelInput | pb.ModelOutput) -> TensorConfig:
    return TensorConfig(
        message.name,
        to_datatype(message.data_type),
        tuple(message.dims),
        labels=message.label_filename if isinstance(message, pb.ModelOutput) else "",
        reshape=tuple(message.reshape.shape) if message.HasField("reshape") else None,
        layout=_layout(message) if isinstance(message, pb.ModelInput) else "",
    )


def _layout(message: pb.ModelInput) -> str:
    return pb.ModelInput.Format.Name(message.format) if message.format else ""


def _declared(
    specs: Sequence[TensorSpec], declared: Sequence[TensorConfig]
) -> list[tuple[TensorSpec, TensorConfig]]:
    """Each tensor with its declaration, or with one made of the tensor if there is none."""
    known = {each.name: each for each in declared}
    return [
        (spec, known.get(spec.name, TensorConfig(spec.name, spec.datatype, spec.shape))) for spec in specs
    ]


def _described(spec: TensorSpec, model: LoadedModel, declared: TensorConfig) -> dict[str, Any]:
    reshape = None if declared.reshape is None else pb.ModelTensorReshape(shape=declared.reshape)
    dims = spec.shape[1:] if model.max_batch_size else spec.shape
    return {"name": spec.name, "data_type": from_datatype(spec.datatype), "dims": dims, "reshape": reshape}
