"""The differences between the front ends that the documents allow; answers are compared without them."""

from google.protobuf.message import Message
from outcomes import Outcome, Request

from protos import open_inference_pb2 as pb
from protos import tensorflow_serving_pb2 as tf

INFERENCE, PREDICTION = "/inference.GRPCInferenceService/", "/tensorflow.serving.PredictionService/"

WITH_MAPS: dict[str, type[Message]] = {
    INFERENCE + "LogSettings": pb.LogSettingsResponse,
    INFERENCE + "TraceSetting": pb.TraceSettingResponse,
    INFERENCE + "ModelConfig": pb.ModelConfigResponse,
    PREDICTION + "Predict": tf.PredictResponse,
    PREDICTION + "GetModelMetadata": tf.GetModelMetadataResponse,
}
"""Answers with maps. Protobuf leaves the order of their entries on the wire open, and each process has its own.

Source: https://protobuf.dev/programming-guides/proto3/#maps
"""


def without_justified(request: Request, outcome: Outcome) -> Outcome:
    """What must be equal in the answers to a request."""
    kind = WITH_MAPS.get(request.method)
    if kind is not None:
        outcome = outcome._replace(answers=tuple(_in_order(kind, each) for each in outcome.answers))
    return outcome


def _in_order(kind: type[Message], data: bytes) -> bytes:
    message = kind.FromString(data)
    if isinstance(message, tf.GetModelMetadataResponse):
        for packed in message.metadata.values():
            signatures = tf.SignatureDefMap.FromString(packed.value)
            packed.value = signatures.SerializeToString(deterministic=True)
    return message.SerializeToString(deterministic=True)
