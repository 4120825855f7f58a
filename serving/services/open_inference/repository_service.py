# ruff: noqa: N802  the protocol names the methods
"""The model repository methods of ``inference.GRPCInferenceService``: configs, statistics, index, load and unload."""

from protos import open_inference_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.large_message_thread import off_loop
from serving.dataplane.model_control import ModelControl
from serving.errors import InvalidInputError, ModelLoadError, UnsupportedError
from serving.printable import printable
from serving.repository.config import ModelConfig
from serving.repository.model import LoadedModel
from serving.repository.statistics import Statistics, Total
from serving.services.element_limits import MAX_ELEMENTS
from serving.services.open_inference import config_message
from serving.services.worker_group import WorkerGroup

CONFIG = "config"
"""The parameter of a load with a config as JSON, which replaces ``config.pbtxt``."""

MAX_CONFIG_LENGTH = 256 << 10
"""Characters of such a config. One with a thousand inputs has a third of that; protobuf parses JSON slowly."""

FILE_PREFIX = "file:"
"""The prefix of parameters that contain files of a model, which are refused."""


class ModelRepositoryService:
    """The configs, statistics and states of models, and loading them.

    Args:
        plane: The dataplane.
        control: Loads and unloads models.
        group: The processes that serve together, if this is one of several.
    """

    def __init__(self, plane: DataPlane, control: ModelControl, group: WorkerGroup | None = None) -> None:
        self._plane = plane
        self._control = control
        self._group = group

    async def ModelConfig(
        self, request: pb.ModelConfigRequest, _deadline: float | None
    ) -> pb.ModelConfigResponse:
        """The config of a model, with all derived values."""
        model = self._plane.model(request.name, request.version)
        return pb.ModelConfigResponse(config=config_message.from_loaded_model(model))

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, _deadline: float | None
    ) -> pb.ModelStatisticsResponse:
        """The statistics of a version since it was loaded; of all versions or all models if none is named."""
        if request.name and request.version:
            models = [self._plane.model(request.name, request.version)]
        else:
            models = [each for each in self._plane.loaded_models() if request.name in ("", each.name)]
        if request.name and not models:
            # No version can answer; this raises the reason.
            models = [self._plane.model(request.name, "")]
        everywhere = {} if self._group is None else await self._group.statistics()
        return pb.ModelStatisticsResponse(
            model_stats=[
                _statistics(each, everywhere.get((each.name, each.version), each.statistics))
                for each in models
            ]
        )

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, _deadline: float | None
    ) -> pb.RepositoryIndexResponse:
        """The state of every version of every model, with the reason."""
        _check_repository(request.repository_name)
        index, made = await self._control.index(), pb.RepositoryIndexResponse.ModelIndex
        models = [
            made(name=printable(each.name), version=each.version, state=each.state.value, reason=each.reason)
            for each in index.versions
            if each.ready or not request.ready
        ]
        if not request.ready:
            models += [made(name=printable(name)) for name in index.absent]
        return pb.RepositoryIndexResponse(models=models)

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, _deadline: float | None
    ) -> pb.RepositoryModelLoadResponse:
        """Load a model, or reload the versions that have changed."""
        _check_repository(request.repository_name)
        config = await off_loop(_config, request) if request.parameters else None
        text = "" if config is None else request.parameters[CONFIG].string_param
        await self._control.load(request.model_name, config, text)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelLoadDryRun(self, request: pb.RepositoryModelLoadRequest) -> None:
        """Load, for trial, what :meth:`RepositoryModelLoad` would load."""
        await self._control.dry_run(request.model_name, _config(request))

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, _deadline: float | None
    ) -> pb.RepositoryModelUnloadResponse:
        """Unload a model. Requests that are running are answered."""
        _check_repository(request.repository_name)
        await self._control.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()


def _check_repository(name: str) -> None:
    if name:
        raise InvalidInputError(f"there is one repository, which has no name; got '{name}'")


def _config(request: pb.RepositoryModelLoadRequest) -> ModelConfig | None:
    for name in request.parameters:
        if name.startswith(FILE_PREFIX):
            raise UnsupportedError(
                f"the parameter '{name}' brings a file; this server loads only what lies in its repository"
            )
        if name != CONFIG:
            raise InvalidInputError(f"a load takes the parameter '{CONFIG}' and no other; got '{name}'")
    if CONFIG not in request.parameters:
        return None
    text = request.parameters[CONFIG].string_param
    for count, most, what in (
        (len(text), MAX_CONFIG_LENGTH, "characters"),
        (text.count("{"), MAX_ELEMENTS, "objects"),
    ):
        if count > most:
            raise InvalidInputError(
                f"the parameter '{CONFIG}' has {count} {what}, and {most} are the most; shorten it"
            )
    try:
        return config_message.parse_json(text)
    except ModelLoadError as error:
        raise InvalidInputError(f"failed to load '{request.model_name}': {error}") from error


def _statistics(model: LoadedModel, statistics: Statistics) -> pb.ModelStatistics:
    return pb.ModelStatistics(
        name=model.name,
        version=model.version,
        last_inference=statistics.last // 1_000_000,
        inference_count=statistics.rows,
        execution_count=statistics.runs,
        inference_stats=pb.InferStatistics(
            success=_duration(statistics.success),
            fail=_duration(statistics.fail),
            queue=_duration(statistics.queue),
            compute_input=_duration(statistics.input),
            compute_infer=_duration(statistics.infer),
            compute_output=_duration(statistics.output),
        ),
        batch_stats=[
            pb.InferBatchStatistics(
                batch_size=rows,
                compute_input=_duration(totals.input),
                compute_infer=_duration(totals.infer),
                compute_output=_duration(totals.output),
            )
            for rows, totals in statistics.by_rows()
        ],
    )


def _duration(total: Total) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=total.count, ns=total.ns)
