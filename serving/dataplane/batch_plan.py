"""Runs batches of requests that differ in their raw contents only: what is checked for one is checked for all.

A plan holds what follows from such requests and from the model that answers them, worked out with the first batch. It
is kept with the decoder of the model, and goes with it when the model is retired.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, perf_counter_ns
from typing import Any, TypeAlias

import numpy as np

from serving.dataplane.decoder import Decoder
from serving.dataplane.messages import InferRequest, InferResult
from serving.datatypes import BYTES, NUMPY
from serving.errors import InvalidInputError
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import Array, TensorSpec
from serving.scheduler.dispatcher import Dispatcher
from serving.scheduler.job import Job
from serving.scheduler.stacked_batch import StackedRuns, run_each, run_one, run_together

Input: TypeAlias = "tuple[str, np.dtype[Any], tuple[int, ...]]"
"""The name of an input, how numpy holds it, and a shape."""

BOOL = NUMPY["BOOL"]


@dataclass(slots=True)
class InferBatch:
    """Several requests that differ in their raw contents only.

    Attributes:
        key: Stands for the request and the sizes: batches with the same key have the same.
        request: What all requests say, without raw contents.
        sizes: The bytes of each input's raw contents.
        count: How many requests there are.
        deadline: The earliest of their deadlines, on the clock of :func:`time.monotonic`; None for never.
        payload: Gives the raw contents of an input for all requests, side by side.
    """

    key: Hashable
    request: InferRequest
    sizes: Sequence[int]
    count: int
    deadline: float | None
    payload: Callable[[int], memoryview]


class BatchPlan:
    """How to run batches of requests with one key on one model. Used on the event loop.

    Args:
        model: The model.
        dispatcher: Says what may run on the event loop.
        job: One of the requests, decoded.
        specs: Its outputs.

    Attributes:
        usable: Whether batches can be run; each request is to be answered by itself otherwise.
        specs: The outputs.
        rows: The rows of one request.
    """

    __slots__ = (
        "_dispatcher", "_inputs", "_joinable", "_model", "_outputs", "rows", "specs", "usable",
    )  # fmt: skip

    def __init__(
        self, model: LoadedModel, dispatcher: Dispatcher, job: Job, specs: Sequence[TensorSpec]
    ) -> None:
        self.usable = True
        self.specs = specs
        self.rows = job.rows
        self._model = model
        self._dispatcher = dispatcher
        self._outputs = job.outputs
        self._inputs: list[Input] = [(name, array.dtype, array.shape) for name, array in job.inputs.items()]
        self._joinable = True

    def run(self, batch: InferBatch) -> StackedRuns | None:
        """Run a batch on the event loop.

        Returns:
            What came of it; None if each request is to be answered by itself: they may not run here or now, or a
            deadline could pass.

        Raises:
            Exception: Whatever the runtime raises.
        """
        room = self._dispatcher.inline_room(alone=batch.count == 1)
        if not self.usable or room < self.rows:
            return None
        most = max(1, min(room, self._model.run_rows) // self.rows) if self._joinable else 1
        if batch.deadline is not None and monotonic() + self._seconds(batch.count, most) >= batch.deadline:
            return None
        runs = self._run(batch, most)
        self.usable = runs is not None
        if runs is not None:
            self._dispatcher.ran_inline(runs.longest_ns())
        return runs

    def _run(self, batch: InferBatch, most: int) -> StackedRuns | None:
        model, outputs, rows, count = self._model, self._outputs, self.rows, batch.count
        if count == 1:
            return run_one(model, self._arrays(batch, self._inputs), outputs, rows)
        if most > 1:
            stacked = [
                (name, dtype, (count * first, *others)) for name, dtype, (first, *others) in self._inputs
            ]
            runs = run_together(model, self._arrays(batch, stacked), outputs, rows, count, most)
            if runs is not None:
                return runs
            self._joinable = False
        apart = [(name, dtype, (count, *shape)) for name, dtype, shape in self._inputs]
        return run_each(model, self._arrays(batch, apart), outputs, rows, count)

    def _seconds(self, count: int, most: int) -> float:
        """The expected time of a batch."""
        latency = self._model.latency
        return 0.0 if latency is None else latency.seconds(min(count, most) * self.rows) * -(-count // most)

    def _arrays(self, batch: InferBatch, inputs: Sequence[Input]) -> dict[str, Array]:
        """The inputs of all requests."""
        arrays = {}
        for at, (name, dtype, shape) in enumerate(inputs):
            payload = batch.payload(at)
            if dtype is BOOL:
                # As for a single request: any byte but 0 is true.
                arrays[name] = (np.frombuffer(payload, np.uint8) != 0).reshape(shape)
            else:
                arrays[name] = np.frombuffer(payload, dtype).reshape(shape)
        return arrays


def make_plan(
    model: LoadedModel, decoder: Decoder, dispatcher: Dispatcher, batch: InferBatch
) -> BatchPlan | None:
    """The plan for batches like this one; None if each request is to be answered by itself."""
    request = batch.request
    if request.classes or any(tensor.datatype == BYTES for tensor in request.inputs):
        return None
    try:
        # Of numbers any bytes are valid, so zeros stand for all.
        job = decoder.decode(replace(request, raw=[bytes(size) for size in batch.sizes]))
    except InvalidInputError:
        return None
    specs = decoder.specs(job.outputs)
    if any(spec.datatype == BYTES for spec in specs):
        return None
    return BatchPlan(model, dispatcher, job, specs)


class BatchResult:
    """The answers to the requests of a batch.

    Args:
        model: The model that answered.
        plan: How it did.
        runs: What came of it.
        count: How many requests there were.
        start: When the batch arrived, by :func:`time.perf_counter_ns`.
    """

    __slots__ = ("_count", "_done", "_model", "_plan", "_runs", "_start")

    def __init__(
        self, model: LoadedModel, plan: BatchPlan, runs: StackedRuns, count: int, start: int
    ) -> None:
        self._model = model
        self._plan = plan
        self._runs = runs
        self._count = count
        self._start = start
        self._done = perf_counter_ns()

    @property
    def specs(self) -> Sequence[TensorSpec]:
        """The outputs: always the same object for the same model and outputs."""
        return self._plan.specs

    @property
    def arrays(self) -> Sequence[Array]:
        """The elements of each output for all requests, side by side."""
        return self._runs.arrays

    @property
    def shapes(self) -> Sequence[tuple[int, ...]]:
        """The shape of each output for one request."""
        return self._runs.shapes

    def first(self) -> InferResult:
        """The answer to the first request."""
        pairs = zip(self.arrays, self.shapes, strict=True)
        arrays = [array.reshape(self._count, *shape)[0] for array, shape in pairs]
        model = self._model
        return InferResult(model.name, model.version, self.specs, arrays, signature=model.signature)

    def count(self) -> None:
        """Count the requests in the statistics of the model, as if each had come by itself and shared a run."""
        statistics = self._model.statistics
        decode = self._done - self._start - self._runs.infer_ns()
        total = perf_counter_ns() - self._start
        for run, requests in self._runs.runs:
            statistics.ran(run)
            statistics.answered(self._plan.rows, total, 0, decode, run, requests)

    def discard(self) -> None:
        """Say that such answers cannot be sent as a batch. The requests of this batch and of later ones are split."""
        self._plan.usable = False
