"""Several requests in one run of the model.

    inputs of n jobs, concatenated along axis 0  ->  one run  ->  outputs, cut where the inputs met

A run that fails is repeated job by job, so that one request's fault stays its own.
"""

import logging
from collections.abc import Sequence

import numpy as np

from serving.errors import InternalError, ServingError
from serving.runtimes.runtime import Array, Runtime
from serving.scheduler.job import Job

log = logging.getLogger(__name__)


def run(runtime: Runtime, jobs: Sequence[Job]) -> None:
    """Give every job its results or its error.

    Args:
        runtime: The model.
        jobs: Jobs that may share a run; at least one.
    """
    if len(jobs) > 1 and _run_together(runtime, jobs):
        return
    for job in jobs:
        run_alone(runtime, job)


def run_alone(runtime: Runtime, job: Job) -> None:
    """Give one job its results or its error."""
    try:
        job.results = runtime.infer(job.inputs, job.outputs)
    except ServingError as error:
        job.error = error
    except Exception as error:
        log.exception("a model failed on a request")
        job.error = InternalError(f"{type(error).__name__}: {error}")


def _run_together(runtime: Runtime, jobs: Sequence[Job]) -> bool:
    outputs = tuple(dict.fromkeys(name for job in jobs for name in job.outputs))
    try:
        inputs = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
        results = dict(zip(outputs, runtime.infer(inputs, outputs), strict=True))
    except Exception:
        log.info("a batch of %d failed; its requests run one by one", len(jobs), exc_info=True)
        return False
    rows = sum(job.rows for job in jobs)
    if any(array.shape[:1] != (rows,) for array in results.values()):
        log.info("a model answers %d rows with another number; its requests run one by one", rows)
        return False
    _share(results, jobs)
    return True


def _share(results: dict[str, Array], jobs: Sequence[Job]) -> None:
    start = 0
    for job in jobs:
        end = start + job.rows
        job.results = [results[name][start:end] for name in job.outputs]
        start = end
