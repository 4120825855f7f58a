# ruff: noqa: N802  the protocol names the methods
"""``tensorflow.serving.ModelService``: the state of the versions of a model, which models are served, their labels.

With ``--model-control-mode explicit``, a reload replaces the list of models that are served, as in TensorFlow
Serving; otherwise it only assigns labels. Models always come from the repository that the server was started with: a
request cannot name another folder. Where administration is not enabled, a reload is refused.
"""

from pathlib import PurePosixPath

from protos import tensorflow_error_pb2 as error
from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.errors import InvalidInputError, ModelNotFoundError, PermissionDeniedError, UnsupportedError
from serving.repository.model_state import UNLOADED, State, VersionStatus
from serving.services.open_inference.settings_service import ENABLE
from serving.services.tensorflow_serving import model_spec

SERVICE = pb.DESCRIPTOR.services_by_name["ModelService"]

_NOT_BY_REQUEST = {
    "model_version_policy": "set version_policy in the model's config.pbtxt",
    "logging_config": "the server's own options decide what it logs",
}

_STATES = {
    State.READY: pb.ModelVersionStatus.AVAILABLE,
    State.LOADING: pb.ModelVersionStatus.LOADING,
    # TensorFlow Serving reports this state for versions that were unloaded and for those that failed to load.
    State.UNAVAILABLE: pb.ModelVersionStatus.END,
}


class ModelService:
    """The state of the versions of models, and reloads.

    Args:
        plane: The dataplane.
        control: Loads and unloads models.
        reloadable: Whether requests may assign labels and reload models.
    """

    def __init__(self, plane: DataPlane, control: ModelControl, *, reloadable: bool) -> None:
        self._plane = plane
        self._control = control
        self._reloadable = reloadable

    async def GetModelStatus(
        self, request: pb.GetModelStatusRequest, _deadline: float | None
    ) -> pb.GetModelStatusResponse:
        """The state of each version of a model, the newest first; or of one version, if it is named."""
        spec = request.model_spec
        version = model_spec.version_of(spec, self._plane)
        statuses = [each for each in self._plane.version_statuses(spec.name) if each.version]
        if not statuses:
            # The error says why there is no version.
            self._plane.model(spec.name, "")
        found = [each for each in statuses if version in ("", each.version)]
        if not found:
            raise ModelNotFoundError(
                f"model '{spec.name}' has no version {version}; leave the version out to see those it has"
            )
        return pb.GetModelStatusResponse(model_version_status=[_status(each) for each in reversed(found)])

    async def HandleReloadConfigRequest(
        self, request: pb.ReloadConfigRequest, _deadline: float | None
    ) -> pb.ReloadConfigResponse:
        """Assign the labels of a request; in explicit mode, also serve the named models and no others.

        Models that are not named and stay loaded keep their labels.
        """
        if not self._reloadable:
            raise PermissionDeniedError(f"requests give no labels and load no models here; {ENABLE}")
        if request.config.WhichOneof("config") != "model_config_list":
            raise UnsupportedError("a reload takes model_config_list and nothing else; name the models in it")
        labels: dict[str, dict[str, str]] = {}
        for config in request.config.model_config_list.config:
            _check(config)
            if config.name in labels:
                raise InvalidInputError(f"model '{config.name}' came twice; name each model once")
            labels[config.name] = {label: str(number) for label, number in config.version_labels.items()}
        await self._control.replace(labels)
        self._plane.labels.assign(labels)
        return pb.ReloadConfigResponse(status=pb.StatusProto(error_code=error.OK))

    async def HandleReloadConfigRequestDryRun(self, request: pb.ReloadConfigRequest) -> None:
        """Load, for trial, what :meth:`HandleReloadConfigRequest` would load."""
        for config in request.config.model_config_list.config:
            await self._control.dry_run(config.name, None)


def _check(config: pb.ModelConfig) -> None:
    """Refuse settings that requests cannot change.

    Raises:
        InvalidInputError: The model has no name, or base_path is not the folder of the model.
        UnsupportedError: A field is set that only the files of the repository, or the server's options, decide.
    """
    if not config.name:
        raise InvalidInputError("a model in model_config_list has no name; name it")
    if config.base_path and PurePosixPath(config.base_path).name != config.name:
        raise InvalidInputError(
            f"base_path '{config.base_path}' is not the folder of model '{config.name}'; models come from the "
            "repository this server was started with: leave base_path empty"
        )
    for field, remedy in _NOT_BY_REQUEST.items():
        if config.HasField(field):
            raise UnsupportedError(f"{field} of model '{config.name}' cannot be set by a request; {remedy}")


def _status(status: VersionStatus) -> pb.ModelVersionStatus:
    made = pb.ModelVersionStatus(version=int(status.version), status=pb.StatusProto(error_code=error.OK))
    made.state = _STATES[status.state]
    if status.state is State.UNAVAILABLE and status.reason != UNLOADED:
        made.status.error_code, made.status.error_message = error.UNAVAILABLE, status.reason
    return made
