"""Warms a model up: the first runs do the work that libraries defer, and measure the latency of the model."""

import logging
from dataclasses import dataclass
from math import prod
from time import perf_counter

import numpy as np

from serving.datatypes import BF16, BYTES, NUMPY
from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig, WarmupInput
from serving.runtimes.runtime import FREE, Array, Runtime, TensorSpec

log = logging.getLogger(__name__)

ROUNDS = 3

SLOW = 5e-3
"""Seconds of a run from which no full batch is tried, so that the server starts soon."""

ENOUGH = 50e-3
"""Seconds after which a slow run is not repeated. A single run says little: it may be cold, or the machine busy."""

THREAD_HOP = 200e-6
"""Seconds that it takes to hand a request to another thread and back, on the machines where this was measured."""

FULL = 64 << 20
"""Most bytes of inputs of a batch at warm-up: the largest batch that is allowed may be larger than any real one."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The measured latency of a model.

    Attributes:
        first: Seconds for one row, or for a whole request of a model without a batch dimension.
        further: Seconds for each further row.
    """

    first: float
    further: float

    def seconds(self, rows: int) -> float:
        """The expected time of a run of so many rows."""
        return self.first + self.further * (rows - 1)


def warm_up(runtime: Runtime, max_batch_size: int) -> Latency | None:
    """Run the model on zeros, with one row and with the largest batch.

    Returns:
        Its latency. None if the model rejects zeros, or if its time depends on more than the number of rows: on
        values, or on other sizes that each request chooses.
    """
    rows = max(1, min(max_batch_size, FULL // _row_bytes(runtime)))
    try:
        first = _time(runtime, 1)
        full = _time(runtime, rows) if rows > 1 and first < SLOW else first * rows
    except Exception:
        log.info("a model does not run on zeros and starts cold", exc_info=True)
        return None
    if not runtime.steady:
        return None
    sizes = [spec.shape[1:] if max_batch_size else spec.shape for spec in runtime.inputs]
    if any(FREE in shape for shape in sizes) or any(spec.datatype == BYTES for spec in runtime.inputs):
        return None
    return Latency(first, max(0.0, full - first) / max(1, rows - 1))


def answer_requests(runtime: Runtime, config: ModelConfig) -> None:
    """Run a model on the warm-up requests in its config.

    Raises:
        ModelLoadError: It fails on one, or one does not fit it.
    """
    outputs = [spec.name for spec in runtime.outputs]
    specs = {spec.name: spec for spec in runtime.inputs}
    for request in config.warmup:
        if set(request.inputs) != set(specs):
            raise ModelLoadError(
                f"its warm-up request '{request.name}' must have the inputs {', '.join(specs)}"
            )
        for name, each in request.inputs.items():
            if each.datatype != specs[name].datatype:
                raise ModelLoadError(
                    f"its warm-up request '{request.name}' has '{name}' as {each.datatype}, "
                    f"and the model takes {specs[name].datatype}"
                )
        rows = (request.rows,) if config.max_batch_size else ()
        inputs = {name: _filled(each, rows) for name, each in request.inputs.items()}
        try:
            for _ in range(request.count):
                runtime.infer(inputs, outputs)
        except Exception as error:
            raise ModelLoadError(f"it fails on its warm-up request '{request.name}': {error}") from error


def _filled(described: WarmupInput, rows: tuple[int, ...]) -> Array:
    shape = (*rows, *described.dims)
    dtype = NUMPY[described.datatype]
    if described.datatype == BYTES:
        return np.full(shape, b"", dtype)
    if not described.random:
        return np.zeros(shape, dtype)
    random = np.random.default_rng(0)
    if described.datatype == BF16:
        return (random.random(shape, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    # Small and not negative, because models often use inputs as indices or as pixels.
    return (random.random(shape) * (1 if dtype.kind == "f" else 2)).astype(dtype)


def _time(runtime: Runtime, rows: int) -> float:
    inputs = {spec.name: _zeros(spec, rows) for spec in runtime.inputs}
    outputs = [spec.name for spec in runtime.outputs]
    best, spent = float("inf"), 0.0
    for _ in range(1 + ROUNDS):
        start = perf_counter()
        runtime.infer(inputs, outputs)
        took = perf_counter() - start
        best, spent = min(best, took), spent + took
        if best > SLOW and spent > ENOUGH:
            break
    return best


def _row_bytes(runtime: Runtime) -> int:
    """Bytes of one row of all inputs, with a size of 1 wherever it is free."""
    sizes = (prod(max(1, size) for size in spec.shape[1:]) for spec in runtime.inputs)
    return max(
        1, sum(NUMPY[s.datatype].itemsize * size for s, size in zip(runtime.inputs, sizes, strict=True))
    )


def _zeros(spec: TensorSpec, rows: int) -> Array:
    free = (rows if axis == 0 else 1 for axis in range(len(spec.shape)))
    shape = [size if size != FREE else chosen for size, chosen in zip(spec.shape, free, strict=True)]
    return np.full(shape, b"" if spec.datatype == BYTES else 0, NUMPY[spec.datatype])
