"""What the server does, whatever the transport."""

import asyncio
from collections.abc import Sequence

from serving import __version__
from serving.dataplane.decoder import Decoder
from serving.dataplane.messages import InferRequest, InferResult, ModelMetadata, ServerMetadata
from serving.errors import ModelNotReadyError
from serving.repository.model import LoadedModel
from serving.repository.repository import Repository, VersionStatus
from serving.repository.version_labels import VersionLabels
from serving.scheduler.job import Job
from serving.scheduler.scheduler import Lane, Scheduler


class DataPlane:
    """Checks requests, runs them, and describes the models. Its methods are called on one event loop.

    Args:
        repository: The models.
        loop: The event loop.

    Attributes:
        labels: The names that versions have beside their numbers.
    """

    def __init__(self, repository: Repository, loop: asyncio.AbstractEventLoop) -> None:
        self._repository = repository
        self.labels = VersionLabels(repository)
        self._loop = loop
        self._scheduler = Scheduler(self._deliver)
        self._ways: dict[LoadedModel, tuple[Decoder, Lane]] = {}
        self._stopping = False

    async def infer(self, request: InferRequest) -> InferResult:
        """Answer a request. A model faster than a thread hop runs at once, without one.

        Raises:
            InvalidInputError: The request does not fit the model, or contradicts itself.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
            QueueFullError: Too many wait for it.
            DeadlineExceededError: The deadline passed before the model ran.
            InternalError: The model failed.
            StoppingError: The server is draining.
        """
        model = self._repository.get(request.model, request.version)
        decoder, lane = self._ways.get(model) or self._way(model)
        job = decoder.decode(request)
        if not lane.submit(job):
            await self._wait(job, lane)
        return InferResult(model.name, model.version, decoder.specs(job.outputs), job.answer())

    def model_metadata(self, name: str, version: str) -> ModelMetadata:
        """What a model takes and returns.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
        """
        model = self._repository.get(name, version)
        runtime = model.runtime
        versions = (version,) if version else self._repository.versions(name)
        return ModelMetadata(name, versions, runtime.platform, runtime.inputs, runtime.outputs)

    def version_statuses(self, name: str) -> list[VersionStatus]:
        """How each version of a model stands, ascending.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        found = [status for status in self._repository.statuses() if status.name == name]
        if not found:
            self._repository.get(name)
        return found

    def model_ready(self, name: str, version: str) -> bool:
        """Whether a model can answer.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
        """
        try:
            self._repository.get(name, version)
        except ModelNotReadyError:
            return False
        return not self._stopping

    def server_ready(self) -> bool:
        """Whether any model can answer and new requests are taken."""
        return not self._stopping and any(status.ready for status in self._repository.statuses())

    def server_metadata(self) -> ServerMetadata:
        """What the server is."""
        return ServerMetadata("plainserve", __version__)

    def stop_accepting(self) -> None:
        """Say from now on that nothing is ready; requests that still arrive are answered."""
        self._stopping = True

    def close(self, timeout: float) -> bool:
        """Finish what waits and end the models' threads; False if that took too long."""
        return self._scheduler.close(timeout)

    def _deliver(self, jobs: Sequence[Job]) -> None:
        """Called on the models' threads."""
        self._loop.call_soon_threadsafe(_settle, jobs)

    def _way(self, model: LoadedModel) -> tuple[Decoder, Lane]:
        way = self._ways[model] = Decoder(model), self._scheduler.lane(model)
        return way

    async def _wait(self, job: Job, lane: Lane) -> None:
        job.done = self._loop.create_future()
        try:
            await job.done
        except asyncio.CancelledError:
            lane.discard(job)
            raise


def _settle(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.done is not None and not job.done.done():
            job.done.set_result(None)
