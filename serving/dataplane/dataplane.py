"""The dataplane: answers inference requests and questions about models, for any transport."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from time import perf_counter_ns

from plainserve import __version__
from serving.dataplane import classification
from serving.dataplane.batch_plan import BatchResult, InferBatch
from serving.dataplane.decoder import MANY
from serving.dataplane.execution import Execution
from serving.dataplane.large_message_thread import off_loop
from serving.dataplane.messages import InferRequest, InferResult, ModelMetadata, ServerMetadata
from serving.errors import (
    DeadlineExceededError,
    InternalError,
    ModelNotFoundError,
    ModelNotReadyError,
    QueueFullError,
    RequestCancelledError,
    ServingError,
)
from serving.repository.model import LoadedModel
from serving.repository.model_lookup import ModelLookup
from serving.repository.model_state import VersionStatus
from serving.repository.version_labels import VersionLabels

log = logging.getLogger(__name__)

EXTENSIONS = (
    "classification",
    "schedule_policy",
    "model_configuration",
    "model_repository",
    "statistics",
    "system_shared_memory",
    "logging",
)
"""The extensions of the protocol that the server has, by Triton's names."""

REASONS: dict[type[BaseException], str] = {
    QueueFullError: "REJECTED",
    DeadlineExceededError: "REJECTED",
    RequestCancelledError: "CANCELED",
    asyncio.CancelledError: "CANCELED",
    InternalError: "BACKEND",
}
"""The ``reason`` label of metrics for a request that was not answered; any other error is ``OTHER``."""


class DataPlane:
    """Checks requests, runs them, and describes the models. Its methods are called on one event loop.

    Args:
        models: The models.
        loop: The event loop.

    Attributes:
        labels: The labels of versions, such as ``stable``.
    """

    def __init__(self, models: ModelLookup, loop: asyncio.AbstractEventLoop) -> None:
        self._models = models
        self.labels = VersionLabels(models)
        self._execution = Execution(loop)
        self._stopping = False
        models.retired = self._execution.retire

    async def infer(self, request: InferRequest) -> InferResult:
        """Answer a request.

        Raises:
            InvalidInputError: The request does not fit the model, or contradicts itself.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
            QueueFullError: Too many requests wait for it.
            DeadlineExceededError: The deadline passed before the model ran.
            InternalError: The model failed.
            StoppingError: The server is draining.
        """
        model = self._models.get(request.model, request.version)
        # If nothing is awaited before the job is submitted, a version that is replaced meanwhile still answers it.
        start = perf_counter_ns()
        try:
            if request.signature is not None:
                model = model.called(request.signature)
            decoder, dispatcher, _ = self._execution.pipeline(model)
            # Nearly all requests are decoded and run at once, without a further coroutine.
            if decoder.quick(request):
                job = decoder.decode(request)
            else:
                job = await off_loop(decoder.decode, request)
                if not self._execution.has(model):
                    # The model was replaced meanwhile.
                    return await self.infer(request)
            decoded = perf_counter_ns()
            if not dispatcher.submit(job):
                await self._execution.wait(job, dispatcher)
            result = InferResult(model.name, model.version, decoder.specs(job.outputs), job.answer())
            if request.classes:
                await _classify(result, request.classes, model)
        except BaseException as error:
            model.statistics.failed(REASONS.get(type(error), "OTHER"), perf_counter_ns() - start)
            raise
        assert job.run is not None  # noqa: S101  a job with results ran
        result.signature = model.signature
        result.queue_ns, result.infer_ns = int(job.waited * 1e9), job.run.infer
        total = perf_counter_ns() - start
        model.statistics.answered(job.rows, total, result.queue_ns, decoded - start, job.run)
        return result

    def infer_batch(self, batch: InferBatch) -> BatchResult | None:
        """Answer several requests at once that differ in their raw contents only, before this returns.

        Returns:
            Their answers, not yet counted in the statistics. None if each request is to be answered by :meth:`infer`:
            some of them may fail or wait, or the model does not run on the event loop now.
        """
        start, request = perf_counter_ns(), batch.request
        try:
            model = self._models.get(request.model, request.version)
            if request.signature is not None:
                model = model.called(request.signature)
            plan = self._execution.plan(model, batch)
            runs = plan and plan.run(batch)
        except Exception as error:
            # A ServingError is the fault of a request, which fails again by itself; it needs no traceback.
            fault = not isinstance(error, ServingError)
            log.info("a batch of %d failed; its requests run one by one", batch.count, exc_info=fault)
            return None
        return BatchResult(model, plan, runs, batch.count, start) if plan and runs else None

    def model_metadata(self, name: str, version: str) -> ModelMetadata:
        """The inputs and outputs of a model.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
        """
        model = self._models.get(name, version)
        versions = (version,) if version else self._models.versions(name)
        return ModelMetadata(name, versions, model.runtime.platform, model.inputs, model.outputs)

    def version_statuses(self, name: str) -> list[VersionStatus]:
        """The status of each version of a model, ascending.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        found = [status for status in self._models.statuses() if status.name == name]
        if not found:
            self._models.get(name)
        return found

    def has_version(self, name: str, version: str) -> bool:
        """Whether a model has a version, ready or not."""
        return self._models.has_version(name, version)

    def model_ready(self, name: str, version: str) -> bool:
        """Whether a model can answer; False for one that does not exist.

        Raises:
            InvalidInputError: The version is not a number.
        """
        try:
            self._models.get(name, version)
        except (ModelNotFoundError, ModelNotReadyError):
            return False
        return not self._stopping

    def knows(self, name: str) -> bool:
        """Whether there is a model of that name, ready, not ready or being loaded."""
        return self._models.knows(name)

    def server_ready(self) -> bool:
        """Whether the server is not stopping and every required model can answer."""
        return not self._stopping and not self._models.lacking()

    def server_metadata(self) -> ServerMetadata:
        """The name, version and extensions of the server."""
        return ServerMetadata("plainserve", __version__, EXTENSIONS)

    def model(self, name: str, version: str) -> LoadedModel:
        """A loaded version, with its config and its statistics.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: The model cannot answer.
        """
        return self._models.get(name, version)

    def loaded_models(self) -> list[LoadedModel]:
        """Every version that can answer, by name and version."""
        return self._models.loaded()

    def pending(self, model: LoadedModel) -> int:
        """How many requests wait for a model, over all its signatures."""
        return self._execution.pending(model)

    def stop_accepting(self) -> None:
        """Report from now on that nothing is ready. Requests that still arrive are answered."""
        self._stopping = True

    def close(self, timeout: float) -> bool:
        """Run what waits and end the threads of all models; False if the time ran out."""
        return self._execution.close(timeout)


async def _classify(result: InferResult, classes: Mapping[str, int], model: LoadedModel) -> None:
    """Replace outputs by their classes, on another thread if that takes long."""
    batched = model.max_batch_size > 0
    apply = partial(classification.apply, result, classes, model.labels, batched=batched)
    if sum(array.size for array in result.arrays) > MANY:
        await off_loop(apply)
    else:
        apply()
