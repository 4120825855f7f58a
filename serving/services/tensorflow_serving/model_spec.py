"""``ModelSpec``: how TensorFlow Serving's clients name a model, its version, and its signature."""

from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.errors import InvalidInputError


def version_of(spec: pb.ModelSpec, plane: DataPlane) -> str:
    """The version that a client asks for, as the dataplane writes it; empty for the latest.

    Version 0 is the latest, unless the model has a version of that number: clients that always fill in the field
    write 0 for no version.

    Raises:
        InvalidInputError: No model is named.
        ModelNotFoundError: There is no such model, or it has no such label.
    """
    if not spec.name:
        raise InvalidInputError("model_spec.name is empty; name the model")
    chosen = spec.WhichOneof("version_choice")
    if chosen == "version_label":
        return plane.labels.version(spec.name, spec.version_label)
    version = str(spec.version.value) if chosen == "version" else ""
    return "" if version == "0" and not plane.has_version(spec.name, version) else version


def answered(name: str, version: str, signature: str = "") -> pb.ModelSpec:
    """The ModelSpec of the model and signature that answered."""
    spec = pb.ModelSpec(name=name, signature_name=signature)
    spec.version.value = int(version)
    return spec
