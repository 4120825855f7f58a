# ruff: noqa: N802  the protocol names the methods
"""``tensorflow.serving.ModelService``: how the versions of a model stand, and their labels.

TensorFlow Serving's reload replaces the whole list of models and their folders. Here the models are those of the
repository the server was started with, whoever asks: a request cannot lead the server to another folder.
"""

from pathlib import PurePosixPath

from protos import tensorflow_error_pb2 as error
from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.errors import InvalidInputError, ModelNotFoundError, UnsupportedError
from serving.repository.repository import VersionStatus
from serving.rpc import model_spec

SERVICE = pb.DESCRIPTOR.services_by_name["ModelService"]

_ELSEWHERE = {
    "model_version_policy": "set version_policy in the model's config.pbtxt",
    "logging_config": "the server's own options decide what it logs",
}


class ModelService:
    """The versions of the models.

    Args:
        plane: What the server does.
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def GetModelStatus(
        self, request: pb.GetModelStatusRequest, _deadline: float | None
    ) -> pb.GetModelStatusResponse:
        """How each version of a model stands, the newest first; or one version, if it is named."""
        spec = request.model_spec
        version = model_spec.version_of(spec, self._plane)
        found = [each for each in self._plane.version_statuses(spec.name) if version in ("", each.version)]
        if not found:
            raise ModelNotFoundError(
                f"model '{spec.name}' has no version {version}; leave the version out to see those it has"
            )
        return pb.GetModelStatusResponse(model_version_status=[_status(each) for each in reversed(found)])

    async def HandleReloadConfigRequest(
        self, request: pb.ReloadConfigRequest, _deadline: float | None
    ) -> pb.ReloadConfigResponse:
        """Give the named models the version labels of the request; models that are not named keep theirs."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise UnsupportedError("a reload takes model_config_list and nothing else; name the models in it")
        labels: dict[str, dict[str, str]] = {}
        for config in request.config.model_config_list.config:
            _check(config)
            if config.name in labels:
                raise InvalidInputError(f"model '{config.name}' came twice; name each model once")
            labels[config.name] = {label: str(number) for label, number in config.version_labels.items()}
        self._plane.labels.assign(labels)
        return pb.ReloadConfigResponse(status=pb.StatusProto(error_code=error.OK))


def _check(config: pb.ModelConfig) -> None:
    """Refuse what a client may not decide here.

    Raises:
        InvalidInputError: No model is named, or a folder that is not the model's.
        UnsupportedError: Something is asked for that the repository's own files decide.
    """
    if not config.name:
        raise InvalidInputError("a model in model_config_list has no name; name it")
    if config.base_path and PurePosixPath(config.base_path).name != config.name:
        raise InvalidInputError(
            f"base_path '{config.base_path}' is not the folder of model '{config.name}'; models come from the "
            "repository this server was started with: leave base_path empty"
        )
    for field, remedy in _ELSEWHERE.items():
        if config.HasField(field):
            raise UnsupportedError(f"{field} of model '{config.name}' cannot be set by a request; {remedy}")


def _status(status: VersionStatus) -> pb.ModelVersionStatus:
    made = pb.ModelVersionStatus(version=int(status.version), status=pb.StatusProto(error_code=error.OK))
    if status.ready:
        made.state = pb.ModelVersionStatus.AVAILABLE
    else:
        # TensorFlow Serving's word for a version that failed to load.
        made.state = pb.ModelVersionStatus.END
        made.status.error_code, made.status.error_message = error.UNAVAILABLE, status.reason
    return made
