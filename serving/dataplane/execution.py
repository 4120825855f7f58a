"""Runs requests through the decoder and the dispatcher of their model, on the event loop.

    request  --decoder-->  job  --dispatcher-->  runs inline, or waits for the model's thread  -->  job with results

When a model is retired, its decoder and dispatcher are forgotten, its threads end, and its memory is freed.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain

from serving.dataplane.decoder import Decoder
from serving.dataplane.large_message_thread import off_loop
from serving.dataplane.malloc_trim import give_back
from serving.dataplane.messages import InferRequest
from serving.repository.model import LoadedModel
from serving.scheduler.dispatcher import Dispatcher
from serving.scheduler.job import Job
from serving.scheduler.scheduler import Scheduler

SWEEP = 0.1
"""Seconds between two checks whether the threads of retired models have ended."""


class Execution:
    """Runs requests. Its methods are called on the event loop, except :meth:`retire`.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._scheduler = Scheduler(self._deliver)
        self._pipelines: dict[LoadedModel, tuple[Decoder, Dispatcher]] = {}

    def pipeline(self, model: LoadedModel) -> tuple[Decoder, Dispatcher]:
        """The decoder and the dispatcher of a model; made with its first request."""
        found = self._pipelines.get(model)
        if found is None:
            found = self._pipelines[model] = Decoder(model), self._scheduler.dispatcher(model)
        return found

    async def decode(self, model: LoadedModel, decoder: Decoder, request: InferRequest) -> Job | None:
        """Decode a request, on another thread if that takes long.

        Returns:
            The job; None if the model was retired meanwhile.
        """
        if decoder.quick(request):
            return decoder.decode(request)
        job = await off_loop(decoder.decode, request)
        return job if model in self._pipelines else None

    async def run(self, job: Job, dispatcher: Dispatcher) -> None:
        """Run a job. A model that is faster than a thread hop runs at once, without one.

        Raises:
            QueueFullError: Too many jobs wait already.
            InvalidInputError: It has a priority that the model does not have.
            StoppingError: The dispatcher is closed.
        """
        if dispatcher.submit(job):
            return
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
