"""Runs a batch whose requests lie side by side in memory already, so that nothing is joined.

inputs of n requests, stacked  ->  one run, or a run for each part of them  ->  outputs, stacked
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

from serving.repository.model import LoadedModel
from serving.repository.statistics import Run
from serving.runtimes.runtime import Array

log = logging.getLogger(__name__)


@dataclass(slots=True)
class StackedRuns:
    """What came of the requests of a batch.

    Attributes:
        arrays: For each output, its elements for all requests, side by side.
        shapes: The shape of each output for one request.
        runs: The runs, each with the number of its requests.
    """

    arrays: list[Array]
    shapes: list[tuple[int, ...]]
    runs: list[tuple[Run, int]]

    def infer_ns(self) -> int:
        """Nanoseconds that the model took in all."""
        if len(self.runs) == 1:
            return self.runs[0][0].infer
        return sum(run.infer for run, _ in self.runs)

    def longest_ns(self) -> int:
        """Nanoseconds of the longest run."""
        if len(self.runs) == 1:
            return self.runs[0][0].infer
        return max(run.infer for run, _ in self.runs)


def run_one(
    model: LoadedModel, inputs: Mapping[str, Array], outputs: tuple[str, ...], rows: int
) -> StackedRuns:
    """Run a single request.

    Args:
        model: The model.
        inputs: Its inputs.
        outputs: The outputs that are wanted.
        rows: The rows of the request.

    Raises:
        Exception: Whatever the runtime raises.
    """
    begun = perf_counter_ns()
    arrays = model.runtime.infer(inputs, outputs)
    run = Run(rows, 0, perf_counter_ns() - begun, 0)
    return StackedRuns(arrays, [array.shape for array in arrays], [(run, 1)])


def run_together(
    model: LoadedModel,
    inputs: Mapping[str, Array],
    outputs: tuple[str, ...],
    rows: int,
    count: int,
    most: int,
) -> StackedRuns | None:
    """Run requests that may share runs.

    Args:
        model: The model.
        inputs: Its inputs, with the rows of all requests along axis 0.
        outputs: The outputs that are wanted.
        rows: The rows of one request.
        count: How many requests there are; more than one.
        most: How many may share a run.

    Returns:
        None if the model does not answer each row with a row.

    Raises:
        Exception: Whatever the runtime raises.
    """
    parts, runs = [], []
    for start in range(0, count, most):
        joined = min(most, count - start)
        part = inputs
        if joined < count:
            part = {name: array[start * rows : (start + joined) * rows] for name, array in inputs.items()}
        begun = perf_counter_ns()
        arrays = model.runtime.infer(part, outputs)
        runs.append((Run(joined * rows, 0, perf_counter_ns() - begun, 0), joined))
        for array in arrays:
            if array.shape[:1] != (joined * rows,):
                log.info(
                    "a model answers %d rows with another number; its requests run one by one", joined * rows
                )
                return None
        parts.append(arrays)
    shapes = [(rows, *array.shape[1:]) for array in parts[0]]
    if len(parts) == 1:
        return StackedRuns(parts[0], shapes, runs)
    if any(
        array.shape[1:] != shape[1:] for arrays in parts for array, shape in zip(arrays, shapes, strict=True)
    ):
        return None
    return StackedRuns([np.concatenate(each) for each in zip(*parts, strict=True)], shapes, runs)


def run_each(
    model: LoadedModel, inputs: Mapping[str, Array], outputs: tuple[str, ...], rows: int, count: int
) -> StackedRuns | None:
    """Run requests one by one.

    Args:
        model: The model.
        inputs: Its inputs; the first axis counts the requests, the others are the shape of one request.
        outputs: The outputs that are wanted.
        rows: The rows of one request.
        count: How many requests there are; more than one.

    Returns:
        None if the outputs of different requests have different shapes.

    Raises:
        Exception: Whatever the runtime raises.
    """
    parts, runs = [], []
    for at in range(count):
        part = {name: array[at] for name, array in inputs.items()}
        begun = perf_counter_ns()
        parts.append(model.runtime.infer(part, outputs))
        runs.append((Run(rows, 0, perf_counter_ns() - begun, 0), 1))
    shapes = [array.shape for array in parts[0]]
    if any([array.shape for array in arrays] != shapes for arrays in parts):
        return None
    return StackedRuns([np.stack(each) for each in zip(*parts, strict=True)], shapes, runs)
