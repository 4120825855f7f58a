"""What the server does, whatever the transport."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from time import perf_counter_ns

from plainserve import __version__
from serving.dataplane import classification
from serving.dataplane.decoder import MANY, Decoder
from serving.dataplane.freed_memory import give_back
from serving.dataplane.messages import InferRequest, InferResult, ModelMetadata, ServerMetadata
from serving.dataplane.off_loop import off_loop
from serving.errors import (
    DeadlineExceededError,
    InternalError,
    ModelNotFoundError,
    ModelNotReadyError,
    QueueFullError,
    RequestCancelledError,
)
from serving.repository.model import LoadedModel
from serving.repository.repository import Repository, VersionStatus
from serving.repository.version_labels import VersionLabels
from serving.scheduler.job import Job
from serving.scheduler.scheduler import Lane, Scheduler

EXTENSIONS = (
    "classification",
    "schedule_policy",
    "model_configuration",
    "model_repository",
    "statistics",
    "system_shared_memory",
    "logging",
)
"""What the server does beyond the protocol's core, by the names that Triton gave it."""

REASONS: dict[type[BaseException], str] = {
    QueueFullError: "REJECTED",
    DeadlineExceededError: "REJECTED",
    RequestCancelledError: "CANCELED",
    asyncio.CancelledError: "CANCELED",
    InternalError: "BACKEND",
}
"""Why a request was not answered, as metrics call it; any other error is ``OTHER``."""


SWEEP = 0.1
"""Seconds between looks at models that were retired and still run."""


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
        repository.retired = self._retired

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
        # Where nothing is awaited before the job is submitted, a version that is replaced meanwhile still answers it.
        start = perf_counter_ns()
        try:
            if request.signature is not None:
                model = model.called(request.signature)
            decoder, lane = self._ways.get(model) or self._way(model)
            if decoder.quick(request):
                job = decoder.decode(request)
            else:
                job = await off_loop(decoder.decode, request)
                if self._ways.get(model) is None:
                    # It was replaced meanwhile.
                    return await self.infer(request)
            decoded = perf_counter_ns()
            if not lane.submit(job):
                await self._wait(job, lane)
            result = InferResult(model.name, model.version, decoder.specs(job.outputs), job.answer())
            if request.classes:
                apply = partial(classification.apply, batched=model.max_batch_size > 0)
                if sum(array.size for array in result.arrays) > MANY:
                    await off_loop(apply, result, request.classes, model.labels)
                else:
                    apply(result, request.classes, model.labels)
        except BaseException as error:
            reason = REASONS.get(type(error), "OTHER")
            model.statistics.failed(reason, perf_counter_ns() - start)
            raise
        assert job.run is not None  # noqa: S101  a job with results ran
        result.signature = model.signature
        result.queue_ns, result.infer_ns = int(job.waited * 1e9), job.run.infer
        total = perf_counter_ns() - start
        model.statistics.answered(job.rows, total, result.queue_ns, decoded - start, job.run)
        return result

    def model_metadata(self, name: str, version: str) -> ModelMetadata:
        """What a model takes and returns.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
        """
        model = self._repository.get(name, version)
        versions = (version,) if version else self._repository.versions(name)
        return ModelMetadata(name, versions, model.runtime.platform, model.inputs, model.outputs)

    def version_statuses(self, name: str) -> list[VersionStatus]:
        """How each version of a model stands, ascending.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        found = [status for status in self._repository.statuses() if status.name == name]
        if not found:
            self._repository.get(name)
        return found

    def has_version(self, name: str, version: str) -> bool:
        """Whether a model has a version, however that stands."""
        return self._repository.has_version(name, version)

    def model_ready(self, name: str, version: str) -> bool:
        """Whether a model can answer; one that is not there cannot.

        Raises:
            InvalidInputError: The version is not a number.
        """
        try:
            self._repository.get(name, version)
        except (ModelNotFoundError, ModelNotReadyError):
            return False
        return not self._stopping

    def knows(self, name: str) -> bool:
        """Whether there is a model of that name, ready or not, or about to be."""
        return self._repository.knows(name)

    def server_ready(self) -> bool:
        """Whether the server stays and every required model can answer."""
        return not self._stopping and not self._repository.lacking()

    def server_metadata(self) -> ServerMetadata:
        """What the server is."""
        return ServerMetadata("plainserve", __version__, EXTENSIONS)

    def model(self, name: str, version: str) -> LoadedModel:
        """A version that can answer, with its config and its statistics.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
        """
        return self._repository.get(name, version)

    def loaded_models(self) -> list[LoadedModel]:
        """Every version that can answer, by name and version."""
        return self._repository.loaded()

    def pending(self, model: LoadedModel) -> int:
        """How many requests wait for a model, by all its signatures."""
        return sum(self._scheduler.pending(each) for each in model.signatures.values())

    def stop_accepting(self) -> None:
        """Say from now on that nothing is ready; requests that still arrive are answered."""
        self._stopping = True

    def close(self, timeout: float) -> bool:
        """Finish what waits and end the models' threads; False if that took too long."""
        return self._scheduler.close(timeout)

    def _deliver(self, jobs: Sequence[Job]) -> None:
        """Called on the models' threads."""
        self._loop.call_soon_threadsafe(_settle, jobs)

    def _retired(self, models: Iterable[LoadedModel]) -> None:
        """Called by whoever loads; requests are only ever submitted on the event loop."""
        self._loop.call_soon_threadsafe(self._forget, models)

    def _forget(self, models: Iterable[LoadedModel]) -> None:
        for model in chain.from_iterable(each.signatures.values() for each in models):
            self._ways.pop(model, None)
            self._scheduler.retire(model)
        self._sweep()

    def _sweep(self) -> None:
        """Let go of what was retired as soon as it is done; only then its memory is free."""
        if self._scheduler.sweep():
            self._loop.call_later(SWEEP, self._sweep)
        else:
            self._loop.run_in_executor(None, give_back)

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
