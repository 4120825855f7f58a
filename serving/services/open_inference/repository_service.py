# ruff: noqa: N802  the protocol names the methods
"""The part of ``inference.GRPCInferenceService`` about models: their configs, their statistics, which are loaded."""

from protos import open_inference_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.dataplane.off_loop import off_loop
from serving.errors import InvalidInputError, ModelLoadError, UnsupportedError
from serving.printable import printable
from serving.repository.config import ModelConfig
from serving.repository.model import LoadedModel
from serving.repository.statistics import Statistics, Total
from serving.services import element_count
from serving.services.open_inference import config_message
from serving.services.worker_group import WorkerGroup

CONFIG = "config"
"""The parameter of a load that takes the place of ``config.pbtxt``, as JSON."""

LONGEST_CONFIG = 256 << 10
"""Characters of such a config; one with a thousand inputs has a third of that. Protobuf reads JSON slowly."""

FILE = "file:"
"""What the parameters begin with that carry a model's files."""


class ModelRepositoryService:
    """What models there are, how they are served, and what they did.

    Args:
        plane: What the server does.
        control: What loads models.
        group: The processes that serve together, if this is one of several.
    """

    def __init__(self, plane: DataPlane, control: ModelControl, group: WorkerGroup | None = None) -> None:
        self._plane = plane
        self._control = control
        self._group = group

    async def ModelConfig(
        self, request: pb.ModelConfigRequest, _deadline: float | None
    ) -> pb.ModelConfigResponse:
        """How a model is served, with everything that was derived."""
        model = self._plane.model(request.name, request.version)
        return pb.ModelConfigResponse(config=config_message.from_loaded_model(model))

    async def ModelStatistics(
        self, request: pb.ModelStatisticsRequest, _deadline: float | None
    ) -> pb.ModelStatisticsResponse:
        """What a model did since it was loaded; every version, or every model, if none is named."""
        if request.name and request.version:
            models = [self._plane.model(request.name, request.version)]
        else:
            models = [each for each in self._plane.loaded_models() if request.name in ("", each.name)]
        if request.name and not models:
            # Nothing of it can answer; the reason is an error.
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
        """How every version of every model stands, and why."""
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
        """Load a model, or load again what has changed of it."""
        _check_repository(request.repository_name)
        config = await off_loop(_config, request) if request.parameters else None
        text = "" if config is None else request.parameters[CONFIG].string_param
        await self._control.load(request.model_name, config, text)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelLoadRehearsal(self, request: pb.RepositoryModelLoadRequest) -> None:
        """Try what :meth:`RepositoryModelLoad` would load."""
        await self._control.rehearse(request.model_name, _config(request))

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, _deadline: float | None
    ) -> pb.RepositoryModelUnloadResponse:
        """Take a model back. Requests that it has begun are answered."""
        _check_repository(request.repository_name)
        await self._control.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()


def _check_repository(name: str) -> None:
    if name:
        raise InvalidInputError(f"there is one repository, which has no name; got '{name}'")


def _config(request: pb.RepositoryModelLoadRequest) -> ModelConfig | None:
    for name in request.parameters:
        if name.startswith(FILE):
            raise UnsupportedError(
                f"the parameter '{name}' brings a file; this server loads only what lies in its repository"
            )
        if name != CONFIG:
            raise InvalidInputError(f"a load takes the parameter '{CONFIG}' and no other; got '{name}'")
    if CONFIG not in request.parameters:
        return None
    text = request.parameters[CONFIG].string_param
    for count, most, what in (
        (len(text), LONGEST_CONFIG, "characters"),
        (text.count("{"), element_count.MOST, "objects"),
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
