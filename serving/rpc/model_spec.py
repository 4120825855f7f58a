"""``ModelSpec``: how TensorFlow Serving's clients name a model, its version, and its signature."""

from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.errors import InvalidInputError

SIGNATURE = "serving_default"
"""The one signature that every model here has."""


def version_of(spec: pb.ModelSpec, plane: DataPlane) -> str:
    """The version a client means, as the dataplane writes it; empty for the latest.

    Raises:
        InvalidInputError: No model is named.
        ModelNotFoundError: There is no such model, or its label is unknown.
    """
    if not spec.name:
        raise InvalidInputError("model_spec.name is empty; name the model")
    chosen = spec.WhichOneof("version_choice")
    if chosen == "version_label":
        return plane.labels.version(spec.name, spec.version_label)
    return str(spec.version.value) if chosen == "version" else ""


def check_signature(spec: pb.ModelSpec) -> None:
    """Refuse any signature but the one there is.

    Raises:
        InvalidInputError: Another one is named.
    """
    if spec.signature_name not in ("", SIGNATURE):
        raise InvalidInputError(
            f"model '{spec.name}' has no signature '{spec.signature_name}'; "
            f"use '{SIGNATURE}', or leave signature_name empty"
        )


def answered(name: str, version: str) -> pb.ModelSpec:
    """Which model answered."""
    spec = pb.ModelSpec(name=name)
    spec.version.value = int(version)
    return spec
