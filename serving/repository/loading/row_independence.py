"""Tests at load whether the answer to a row depends on the other rows of its batch.

The test can show that rows depend on each other; it cannot prove that they do not. Random rows of very different
scales are run alone and together, in both orders and several sizes. If an answer differs from the answer alone, the
row is run among copies of itself, in the same place of a batch of the same size: the rounding of kernels depends on
size and place, but only a model whose rows depend on each other gives another answer for other values.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

import numpy as np

from serving.datatypes import BF16, BYTES, NUMPY
from serving.repository.config import ModelConfig
from serving.repository.loading.config_agreement import narrowed
from serving.repository.loading.golden_request import ATOL, RTOL, Golden, agreement
from serving.repository.loading.warmup import FULL
from serving.runtimes.runtime import FREE, Array, Runtime, TensorSpec

log = logging.getLogger(__name__)

SECONDS = 0.5
"""After this time the test ends, so that the server starts; two rows are tested in both orders in any case."""

SCALES = (1.0, 1e3, 0.0, 1e-3, 30.0, 1.0)
"""The scales of the rows whose answers are compared; all below 65,504, the largest 16-bit float."""

WILD = (np.nan, np.inf)
"""The values of rows that are only batched with others and whose own answers are ignored.

They are not used for a model whose time depends on values, which could take them for a number of iterations.
"""

ROUNDING = 0.01
"""Allowed rounding, relative to the largest answer of a row.

The rounding of sums over thousands of terms stays below, even for rows of scale 1e3; an answer that depends on the
number of rows, by a mean or a sum, differs by far more.
"""

LARGE = 32
"""Rows of the largest batch in the test."""

Row = Mapping[str, Array]
Answers = Sequence[Array]


class _UnsteadyError(Exception):
    """The model gives two answers to one request, so the test can say nothing about its rows."""


def coupling(runtime: Runtime, config: ModelConfig, golden: Golden | None) -> str:
    """How rows depend on each other; empty if the test finds nothing, or if the model cannot be tested.

    Args:
        runtime: A model with a batch dimension.
        config: The config; rows have the sizes that it declares.
        golden: The recorded request: rows have its sizes, and answers are compared with its tolerances.
    """
    specs = narrowed(runtime.inputs, config.inputs, config.max_batch_size or 0)
    if any(spec.datatype == BYTES for spec in (*specs, *runtime.outputs)):
        log.debug("a model of texts is not tried: nobody knows which it takes")
        return ""
    for make in _choices(specs, golden):
        test = _RowTest(runtime, make, golden, most=min(config.max_batch_size or 0, LARGE))
        try:
            test.alone(0)
        except Exception as error:  # noqa: BLE001  whatever a library raises about rows that it does not take
            log.debug("a model does not take the rows of a trial: %s", error)
            continue
        return test.run()
    return ""


@dataclass(slots=True)
class _RowTest:
    """One set of rows, tested on one model."""

    runtime: Runtime
    make: Callable[[int], Row]
    golden: Golden | None
    most: int
    rows: dict[int, Row] = field(default_factory=dict)
    known: dict[int, Answers] = field(default_factory=dict)

    def run(self) -> str:
        """Run all batches, as far as time allows; the first dependence that is found."""
        until = perf_counter() + SECONDS
        for number, indices in enumerate(self._batches()):
            if number >= 2 and perf_counter() > until:  # both orders of the first two rows
                break
            try:
                found = self._found(indices)
            except _UnsteadyError:
                break
            except Exception as error:  # noqa: BLE001  requests that fail together are repeated alone
                log.debug("a model does not take the rows of a trial together: %s", error)
                continue
            if found:
                return found
        return ""

    def _found(self, indices: Sequence[int]) -> str:
        """The dependence that one batch shows; empty for none."""
        together = self._ask(indices)
        calm = ((place, index) for place, index in enumerate(indices) if index < len(SCALES))
        return next(
            (found for place, index in calm if (found := self._changed(index, place, indices, together))), ""
        )

    def alone(self, index: int) -> Answers:
        """The answer to one row alone."""
        if index not in self.known:
            self.known[index] = self._ask([index])
        return self.known[index]

    def _row(self, index: int) -> Row:
        # Made when it is needed, since rows can be large.
        if index not in self.rows:
            self.rows[index] = self.make(index)
        return self.rows[index]

    def _batches(self) -> Iterator[list[int]]:
        """The indices of rows that are run together, the most likely to show a dependence first."""
        calm = [*range(len(SCALES))]
        wild = [len(SCALES) + number for number in range(len(WILD) if self.runtime.steady else 0)]
        some = [[0, 1], calm[:3], calm, calm + wild, [calm[at % len(calm)] for at in range(self.most)]]
        for indices in some:
            fits = indices[: min(self.most, max(2, FULL // _bytes(self._row(0))))]
            yield fits
            yield fits[::-1]

    def _ask(self, indices: Sequence[int]) -> Answers:
        """The answers to some rows in one batch, one array for each output."""
        rows = [self._row(index) for index in indices]
        inputs = {spec.name: np.stack([row[spec.name] for row in rows]) for spec in self.runtime.inputs}
        return self.runtime.infer(inputs, [spec.name for spec in self.runtime.outputs])

    def _changed(self, index: int, place: int, indices: Sequence[int], together: Answers) -> str:
        """How the answer to one row of a batch depends on the other rows; empty if it does not."""
        copies: Answers = ()
        for number, (spec, alone) in enumerate(zip(self.runtime.outputs, self.alone(index), strict=True)):
            if together[number].shape[:1] != (len(indices),) or alone.shape[:1] != (1,):
                # Such answers cannot be split, so these requests run one by one.
                continue
            answer, expected = together[number][place], alone[0]
            if answer.shape == expected.shape and self._equal(spec, answer, expected):
                continue
            if not copies:
                self._require_steady(index)
                copies = self._ask([index] * len(indices))
            if answer.shape != expected.shape or not self._rounded(
                spec, answer, copies[number][place], expected
            ):
                return (
                    f"a trial found that output '{spec.name}' of a row is another alone "
                    f"than among {len(indices)} rows"
                )
        return ""

    def _rounded(self, spec: TensorSpec, answer: Array, copied: Array, alone: Array) -> bool:
        """Whether an answer equals that among copies of its row, which in turn is near the answer alone."""
        if not self._equal(spec, answer, copied):
            return False
        if alone.dtype.kind != "f":
            return self._equal(spec, copied, alone)
        finite = np.isfinite(alone)
        most = ROUNDING * float(np.max(np.abs(alone[finite]), initial=0.0))
        return self._equal(spec, copied[finite], alone[finite], most)

    def _require_steady(self, index: int) -> None:
        for spec, first, again in zip(
            self.runtime.outputs, self.alone(index), self._ask([index]), strict=True
        ):
            if first.shape != again.shape or not self._equal(spec, first, again):
                raise _UnsteadyError

    def _equal(self, spec: TensorSpec, answer: Array, expected: Array, atol: float = 0.0) -> bool:
        allowed, rtol = (self.golden.atol, self.golden.rtol) if self.golden else (ATOL, RTOL)
        passed, _ = agreement(spec, answer, expected, max(atol, allowed), rtol)
        return bool(passed.all())


def _choices(specs: Sequence[TensorSpec], golden: Golden | None) -> Iterator[Callable[[int], Row]]:
    """Functions that make rows of one kind, of which the model may take some: by free sizes and range of integers."""
    free = golden is None and any(FREE in spec.shape[1:] for spec in specs)
    integers = any(NUMPY[spec.datatype].kind != "f" for spec in specs)
    for high in (100, 2) if integers else (0,):
        for size in (4, 1, 32) if free else (1,):
            yield partial(_random, specs, {spec.name: _shape(spec, size, golden) for spec in specs}, high)
    if golden is not None:
        yield partial(_recorded, golden)


def _shape(spec: TensorSpec, size: int, golden: Golden | None) -> tuple[int, ...]:
    if golden is not None:
        return golden.inputs[spec.name].shape[1:]
    return tuple(size if each == FREE else each for each in spec.shape[1:])


def _random(specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]], high: int, index: int) -> Row:
    """A row of floats of one scale, and of integers from 0 in a range that depends on the scale."""
    scale, random = (*SCALES, *WILD)[index], np.random.default_rng(index)
    return {spec.name: _numbers(random, spec, shapes[spec.name], scale, high) for spec in specs}


def _numbers(
    random: np.random.Generator, spec: TensorSpec, shape: tuple[int, ...], scale: float, high: int
) -> Array:
    dtype = NUMPY[spec.datatype]
    if spec.datatype == BF16 or dtype.kind == "f":
        with np.errstate(over="ignore"):
            numbers = (random.standard_normal(shape, np.float32) * np.float32(scale)).astype(
                np.float32 if spec.datatype == BF16 else dtype
            )
        return (numbers.view(np.uint32) >> 16).astype(dtype) if spec.datatype == BF16 else numbers
    most = 1 if scale == 0.0 else 2 if scale <= 1.0 or dtype.kind == "b" else high
    return random.integers(0, most, shape).astype(dtype)


def _recorded(golden: Golden, index: int) -> Row:
    """A row of recorded numbers, which are valid for the model even if they are indices into a table."""
    random = np.random.default_rng(index)
    return {name: random.choice(each.ravel(), each.shape[1:]) for name, each in golden.inputs.items()}


def _bytes(row: Row) -> int:
    return max(1, sum(array.nbytes for array in row.values()))
