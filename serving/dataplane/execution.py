"""Runs requests through the decoder and the dispatcher of their model, on the event loop.

    request  --decoder-->  job  --dispatcher-->  runs inline, or waits for the model's thread  -->  job with results

When a model is retired, its pipeline is forgotten, its threads end, and its memory is freed.
"""

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from serving.dataplane.batch_plan import BatchPlan, InferBatch, make_plan
from serving.dataplane.decoder import Decoder
from serving.dataplane.malloc_trim import give_back
from serving.repository.model import LoadedModel
from serving.scheduler.dispatcher import Dispatcher
from serving.scheduler.job import Job
from serving.scheduler.scheduler import Scheduler

SWEEP = 0.1
"""Seconds between two checks whether the threads of retired models have ended."""

MOST_PLANS = 1024
"""Most batch plans of one model; clients choose how many there are."""


class Pipeline(NamedTuple):
    """What the requests for one model pass through.

    Attributes:
        decoder: Decodes them.
        dispatcher: Runs them.
        plans: How to run batches of them, by what the batches have in common; None for those that cannot be run.
    """

    decoder: Decoder
    dispatcher: Dispatcher
    plans: dict[Hashable, BatchPlan | None]


class Execution:
    """Runs requests. Its methods are called on the event loop, except :meth:`retire`.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._scheduler = Scheduler(self._deliver)
        self._pipelines: dict[LoadedModel, Pipeline] = {}

    def pipeline(self, model: LoadedModel) -> Pipeline:
        """The pipeline of a model; made with its first request."""
        found = self._pipelines.get(model)
        if found is None:
            found = Pipeline(Decoder(model), self._scheduler.dispatcher(model), {})
            self._pipelines[model] = found
        return found

    def plan(self, model: LoadedModel, batch: InferBatch) -> BatchPlan | None:
        """How to run a batch on a model; None if each of its requests is to be answered by itself."""
        try:
            return self._pipelines[model].plans[batch.key]
        except KeyError:
            decoder, dispatcher, plans = self.pipeline(model)
            if len(plans) >= MOST_PLANS:
                # The oldest makes room.
                del plans[next(iter(plans))]
            made = plans[batch.key] = make_plan(model, decoder, dispatcher, batch)
            return made

    def has(self, model: LoadedModel) -> bool:
        """Whether a model has a pipeline, and so was not retired since :meth:`pipeline` gave it one."""
        return model in self._pipelines

    async def wait(self, job: Job, dispatcher: Dispatcher) -> None:
        """Wait until a job that was queued is done. If the caller is cancelled, the job is discarded."""
        job.done = self._loop.create_future()
        try:
            await job.done
        except asyncio.CancelledError:
            dispatcher.discard(job)
            raise

    def pending(self, model: LoadedModel) -> int:
        """How many requests wait for a model, over all its signatures."""
        return sum(self._scheduler.pending(each) for each in model.signatures.values())

    def retire(self, models: Iterable[LoadedModel]) -> None:
        """Let models go, from any thread. Requests are submitted on the event loop only, so it does the work."""
        self._loop.call_soon_threadsafe(self._forget, models)

    def close(self, timeout: float) -> bool:
        """Run what waits and end the threads of all models; False if the time ran out."""
        return self._scheduler.close(timeout)

    def _deliver(self, jobs: Sequence[Job]) -> None:
        """Called on the threads of models."""
        self._loop.call_soon_threadsafe(_complete, jobs)

    def _forget(self, models: Iterable[LoadedModel]) -> None:
        for model in chain.from_iterable(each.signatures.values() for each in models):
            self._pipelines.pop(model, None)
            self._scheduler.retire(model)
        self._sweep()

    def _sweep(self) -> None:
        """Forget retired models as soon as their threads have ended; only then their memory is free."""
        if self._scheduler.sweep():
            self._loop.call_later(SWEEP, self._sweep)
        else:
            self._loop.run_in_executor(None, give_back)


def _complete(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.done is not None and not job.done.done():
            job.done.set_result(None)
