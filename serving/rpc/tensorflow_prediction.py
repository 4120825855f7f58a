# ruff: noqa: N802  the protocol names the methods
"""``tensorflow.serving.PredictionService``: TensorFlow Serving's protocol for every runtime, without TensorFlow.

Classify, Regress and MultiInference take ``tf.Example`` messages, which a graph of TensorFlow's turns into
tensors. Nothing here can, so they are UNIMPLEMENTED; so is SessionRun, which names nodes of such a graph.
"""

from typing import NoReturn

from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.messages import InferRequest, InputTensor
from serving.dataplane.off_loop import off_loop
from serving.errors import InvalidInputError, UnsupportedError
from serving.rpc import model_spec, tensor_proto
from serving.rpc.held import LARGE
from serving.runtimes.runtime import TensorSpec

SERVICE = pb.DESCRIPTOR.services_by_name["PredictionService"]

SIGNATURE_FIELD = "signature_def"
"""The one field of metadata that the protocol knows."""

METHOD = "tensorflow/serving/predict"
"""What TensorFlow calls a signature that takes and returns tensors."""


class PredictionService:
    """Predict, and what a model takes and returns.

    Args:
        plane: What the server does.
        tensor_bytes: Most bytes that the inputs of a request may take when written out.
    """

    def __init__(self, plane: DataPlane, tensor_bytes: int) -> None:
        self._plane = plane
        self._tensor_bytes = tensor_bytes

    async def Predict(self, request: pb.PredictRequest, deadline: float | None) -> pb.PredictResponse:
        """Run a model."""
        version = model_spec.version_of(request.model_spec, self._plane)
        model_spec.check_signature(request.model_spec)
        if _listed(request) and request.ByteSize() > LARGE:
            asked = await off_loop(self._infer_request, request, version, deadline)
        else:
            asked = self._infer_request(request, version, deadline)
        result = await self._plane.infer(asked)
        response = pb.PredictResponse(model_spec=model_spec.answered(result.model, result.version))
        response.model_spec.signature_name = model_spec.SIGNATURE
        for spec, array in zip(result.specs, result.arrays, strict=True):
            tensor_proto.write(array, spec.datatype, response.outputs[spec.name])
        return response

    async def GetModelMetadata(
        self, request: pb.GetModelMetadataRequest, _deadline: float | None
    ) -> pb.GetModelMetadataResponse:
        """What a model takes and returns, as the signature a TensorFlow model would have."""
        version = model_spec.version_of(request.model_spec, self._plane)
        if set(request.metadata_field) != {SIGNATURE_FIELD}:
            asked = ", ".join(f"'{field}'" for field in request.metadata_field) or "nothing"
            raise InvalidInputError(f"metadata_field must be '{SIGNATURE_FIELD}' alone; got {asked}")
        metadata = self._plane.model_metadata(request.model_spec.name, version)
        signatures = pb.SignatureDefMap()
        signature = signatures.signature_def[model_spec.SIGNATURE]
        signature.method_name = METHOD
        for described, specs in ((signature.inputs, metadata.inputs), (signature.outputs, metadata.outputs)):
            for spec in specs:
                _describe(spec, described[spec.name])
        response = pb.GetModelMetadataResponse(
            model_spec=model_spec.answered(metadata.name, metadata.versions[-1])
        )
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    async def Classify(self, _request: pb.ClassificationRequest, _deadline: float | None) -> NoReturn:
        """Not done here."""
        _refuse_examples("Classify")

    async def Regress(self, _request: pb.RegressionRequest, _deadline: float | None) -> NoReturn:
        """Not done here."""
        _refuse_examples("Regress")

    async def MultiInference(self, _request: pb.MultiInferenceRequest, _deadline: float | None) -> NoReturn:
        """Not done here."""
        _refuse_examples("MultiInference")

    def _infer_request(
        self, request: pb.PredictRequest, version: str, deadline: float | None
    ) -> InferRequest:
        budget = tensor_proto.Budget(self._tensor_bytes)
        inputs, raw = [], []
        for name, tensor in request.inputs.items():
            held, shape = tensor_proto.datatype(name, tensor), tensor_proto.shape(name, tensor)
            inputs.append(InputTensor(name, held, shape))
            raw.append(tensor_proto.wire_form(name, tensor, budget))
        wanted = tuple(request.output_filter)
        return InferRequest(request.model_spec.name, version, inputs, raw, wanted, deadline)


def _listed(request: pb.PredictRequest) -> bool:
    """Whether elements come in the lists of their types, out of which they are taken one by one."""
    return not all(tensor.tensor_content for tensor in request.inputs.values())


def _describe(spec: TensorSpec, info: core.TensorInfo) -> None:
    info.name = spec.name
    info.dtype = tensor_proto.TYPES[spec.datatype]
    tensor_proto.write_shape(spec.shape, info.tensor_shape)


def _refuse_examples(method: str) -> NoReturn:
    raise UnsupportedError(
        f"{method} takes tf.Example messages, which only TensorFlow turns into tensors, and this server "
        "runs without it; send the tensors with Predict"
    )
