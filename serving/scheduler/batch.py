"""Forms a batch: joins several requests into one run of the model and splits the outputs again.

    inputs of n jobs, concatenated along axis 0  ->  one run  ->  outputs, cut where the inputs met

If the run fails, the jobs are run one by one, so that a faulty request does not fail the others.
"""

import logging
from collections.abc import Sequence
from time import perf_counter_ns

import numpy as np

from serving.errors import InternalError, ServingError
from serving.repository.model import LoadedModel
from serving.repository.statistics import Run
from serving.runtimes.runtime import Array
from serving.scheduler.job import Job

log = logging.getLogger(__name__)


def run(model: LoadedModel, jobs: Sequence[Job]) -> None:
    """Run jobs; each gets its results or its error.

    Args:
        model: The model.
        jobs: Jobs that may share a run; at least one.
    """
    if len(jobs) > 1 and _run_together(model, jobs):
        return
    for job in jobs:
        run_alone(model, job)


def run_alone(model: LoadedModel, job: Job) -> Run:
    """Run one job; it gets its results or its error.

    Returns:
        How long that took.
    """
    start = perf_counter_ns()
    try:
        job.results = model.runtime.infer(job.inputs, job.outputs)
    except ServingError as error:
        job.error = error
    except Exception as error:
        log.exception("a model failed on a request")
        job.error = InternalError(f"{type(error).__name__}: {error}")
    took = job.run = Run(job.rows, 0, perf_counter_ns() - start, 0)
    model.statistics.ran(took)
    return took


def _run_together(model: LoadedModel, jobs: Sequence[Job]) -> bool:
    outputs = tuple(dict.fromkeys(name for job in jobs for name in job.outputs))
    start = perf_counter_ns()
    try:
        inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
        joined = perf_counter_ns()
        results = dict(zip(outputs, model.runtime.infer(inputs, outputs), strict=True))
    except Exception as error:
        # A ServingError is the fault of a request, which fails again by itself; it needs no traceback.
        fault = not isinstance(error, ServingError)
        log.info("a batch of %d failed; its requests run one by one", len(jobs), exc_info=fault)
        return False
    ran = perf_counter_ns()
    rows = sum(job.rows for job in jobs)
    if any(array.shape[:1] != (rows,) for array in results.values()):
        log.info("a model answers %d rows with another number; its requests run one by one", rows)
        return False
    _share(results, jobs)
    done = Run(rows, joined - start, ran - joined, perf_counter_ns() - ran)
    for job in jobs:
        job.run = done
    model.statistics.ran(done)
    return True


def _share(results: dict[str, Array], jobs: Sequence[Job]) -> None:
    start = 0
    for job in jobs:
        end = start + job.rows
        job.results = [results[name][start:end] for name in job.outputs]
        start = end
