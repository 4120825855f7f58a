"""The distributions from which the inputs of a whole model are drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import FLOATS, INTEGERS, largest_exact_integer, numpy_dtype
from converter.signature import TensorSpec

# Ten standard deviations of a standardised feature: most activations are then on their tails, while the rounding
# error of a logit stays well below the tolerance.
_LARGE = 10.0
_MOSTLY_ZEROS = 0.9

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


@dataclass(frozen=True)
class InputHint:
    """What is known about the values of an input beyond its dtype.

    Attributes:
        low: Least meaningful integer.
        high: One past the largest, as a vocabulary size is; None if nothing is known. With it the values are
            integers, also in a float input (an Embedding takes both).
        masked: Whether 0 marks a step (axis 1) that the model ignores.
    """

    low: int = 0
    high: int | None = None
    masked: bool = False


@dataclass(frozen=True)
class Distribution:
    """A way to fill an input.

    Attributes:
        label: A short name, for the names of probes.
        words: Its description in reports.
        make: Makes an array of the input's dtype from a generator and a shape.
        random: Whether draws differ; if not, one is enough.
    """

    label: str
    words: str
    make: Draw
    random: bool = True


def distributions_for(spec: TensorSpec, hint: InputHint) -> list[Distribution]:
    """The distributions for one input; its dtype is bool, an integer or a float.

    Raises:
        ValueError: The hint's range is empty, or a masked input has no axis of steps.
    """
    if spec.dtype == "bool":
        several = [_TRUE_OR_FALSE, _ZERO]
    elif hint.high is not None or spec.dtype in INTEGERS:
        several = _integer_distributions(spec, hint)
    else:
        several = _FLOATING
    return [replace(one, make=_cast(one.make, spec.dtype)) for one in several + _masked(spec, hint)]


def _integer_distributions(spec: TensorSpec, hint: InputHint) -> list[Distribution]:
    low, high = _integer_range(spec.dtype, hint)
    if low >= high:
        raise ValueError(f"input {spec.name!r} of dtype {spec.dtype} has no integers in [{low}, {high})")
    ends = Distribution("ends", f"{low} or {high - 1}, evenly", _ends(low, high - 1))
    several = [Distribution("integers", f"integers in [{low}, {high})", _integers(low, high)), ends]
    return several + ([_ZERO] if low <= 0 else [])


def _integer_range(dtype: str, hint: InputHint) -> tuple[int, int]:
    """The range of the hint, as far as the dtype represents it exactly; else all bytes or ten small integers."""
    high = hint.high
    if high is None:
        high = 256 if dtype == "uint8" else hint.low + 10
    largest = largest_exact_integer(dtype)
    least = -largest if dtype in FLOATS else int(np.iinfo(numpy_dtype(dtype)).min)
    return max(hint.low, least), min(high, largest + 1)


def _masked(spec: TensorSpec, hint: InputHint) -> list[Distribution]:
    """Distributions of sequences with masked steps. No step that is kept is 0, as the descriptions say."""
    if not hint.masked:
        return []
    if len(spec.shape) < 2:
        raise ValueError(f"input {spec.name!r} of shape {spec.shape} has no steps to mask")
    steps: Draw = np.random.Generator.standard_normal
    words = "standard normal"
    if spec.dtype == "bool":
        steps, words = _integers(1, 2), "true"
    elif hint.high is not None or spec.dtype in INTEGERS:
        low, high = _integer_range(spec.dtype, hint)
        if high < 2:
            return []  # a vocabulary of the mask alone
        low = max(low, 1)
        steps, words = _integers(low, high), f"integers in [{low}, {high})"
    return [
        Distribution("padded", f"{words}; 0 from a random step on in each row", _kept(steps, _beginning)),
        Distribution("one_step", f"{words} in one step of each row, else 0", _kept(steps, _one_step)),
    ]


def _cast(draw: Draw, dtype: str) -> Draw:
    return lambda generator, shape: draw(generator, shape).astype(numpy_dtype(dtype))


def _zeros(_generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.zeros(shape)


def _large(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return generator.uniform(-_LARGE, _LARGE, shape)


def _sparse(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.where(generator.random(shape) < _MOSTLY_ZEROS, 0.0, generator.standard_normal(shape))


def _integers(low: int, high: int) -> Draw:
    # The end is included, as 2^64 would not fit the generator's integers.
    wide = np.uint64 if high > 1 << 63 else np.int64
    return lambda generator, shape: generator.integers(low, high - 1, shape, dtype=wide, endpoint=True)


def _ends(low: int, last: int) -> Draw:
    values = np.array([low, last], np.uint64 if last >= 1 << 63 else np.int64)
    return lambda generator, shape: values[generator.integers(0, 2, shape)]


def _kept(draw: Draw, keep: Callable[[np.random.Generator, int, int], NDArray[np.bool_]]) -> Draw:
    """Draw, then put 0 wherever ``keep`` of shape ``(batch, steps)`` is false."""

    def masked(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
        values = draw(generator, shape)
        kept = keep(generator, shape[0], shape[1]).reshape(shape[:2] + (1,) * (len(shape) - 2))
        return np.where(kept, values, 0)

    return masked


def _beginning(generator: np.random.Generator, batch: int, steps: int) -> NDArray[np.bool_]:
    """Rows of 1 to ``steps`` steps; none is empty."""
    return np.arange(steps) < generator.integers(1, steps, (batch, 1), endpoint=True)


def _one_step(generator: np.random.Generator, batch: int, steps: int) -> NDArray[np.bool_]:
    only = generator.integers(0, steps, (batch, 1))
    return np.equal(np.arange(steps), only)


_ZERO = Distribution("zero", "all 0", _zeros, random=False)
_TRUE_OR_FALSE = Distribution("coin", "true or false, evenly", _integers(0, 2))
_FLOATING = [
    Distribution("normal", "standard normal", np.random.Generator.standard_normal),
    Distribution("uniform", "uniform in [0, 1)", np.random.Generator.random),
    Distribution("large", f"uniform in [-{_LARGE:g}, {_LARGE:g})", _large),
    Distribution("sparse", f"{_MOSTLY_ZEROS:.0%} zeros, else standard normal", _sparse),
    _ZERO,
]
