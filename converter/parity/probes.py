"""Generates the inputs on which a whole model is compared with its artefact."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import MEASURABLE
from converter.errors import UnsupportedError
from converter.parity.distributions import Distribution, InputHint, distributions_for
from converter.signature import TensorSpec

__all__ = ["InputHint", "Probe", "probes"]

_BATCH_SIZES = (1, 7, 32)
# Draws of a random distribution, each from another stream of random numbers.
_DRAWS = 3


@dataclass(frozen=True)
class Probe:
    """One batch of inputs.

    Attributes:
        name: Unique among the probes of a model; with the seed it determines the inputs.
        distribution: How the inputs are distributed, in words.
        inputs: An array per input, by name.
        expected: Recorded outputs by name; None if none were recorded.
        made: Whether the inputs were generated; else they are the user's.
    """

    name: str
    distribution: str
    inputs: dict[str, NDArray[Any]]
    expected: dict[str, NDArray[Any]] | None = None
    made: bool = True


def probes(
    inputs: Sequence[TensorSpec],
    hints: Mapping[str, InputHint],
    seed: int,
    *,
    free_dim: int = 48,
) -> Iterator[Probe]:
    """Generate inputs of every distribution at batch sizes 1, 7 and 32 (or the fixed one), several draws each.

    The numbers depend on the seed, the name of the probe and the name of the input: not on the order in which
    probes are made or inputs are listed.

    Args:
        inputs: The inputs of the model; at least one.
        hints: What is known about the values, by input name.
        seed: Not negative.
        free_dim: Size of the first free axis after the batch; the second gets twice as much, and so on. Sizes
            differ, so that swapped axes show, and are multiples, so that pooling by 2 leaves no rest. An axis
            has the same size in all inputs, since sequences that go together have one length.

    Returns:
        An iterator, which makes each probe when it is needed.

    Raises:
        UnsupportedError: An input has a dtype for which there are no probes, or fixed batch sizes differ.
        ValueError: A hint names an unknown input, or has an empty range.
    """
    unknown = sorted(hints.keys() - {spec.name for spec in inputs})
    if unknown:
        raise ValueError(f"hints for inputs that do not exist: {', '.join(unknown)}")
    for spec in inputs:
        _check_dtype(spec)
    batch_sizes = _batch_sizes(inputs)
    choices = {spec.name: distributions_for(spec, hints.get(spec.name, InputHint())) for spec in inputs}
    return _generate(inputs, choices, seed, batch_sizes, free_dim)


def _generate(
    inputs: Sequence[TensorSpec],
    choices: Mapping[str, Sequence[Distribution]],
    seed: int,
    batch_sizes: tuple[int, ...],
    free_dim: int,
) -> Iterator[Probe]:
    for turn in range(max(len(several) for several in choices.values())):
        # The number of distributions differs between kinds of inputs: the shorter lists start again.
        chosen = {name: several[turn % len(several)] for name, several in choices.items()}
        label = "+".join(dict.fromkeys(one.label for one in chosen.values()))
        words = "; ".join(f"{name}: {one.words}" for name, one in chosen.items())
        draws = _DRAWS if any(one.random for one in chosen.values()) else 1
        for draw in range(draws):
            for batch in batch_sizes:
                name = f"{turn}-{label}-batch{batch}-draw{draw}"
                yield Probe(
                    name,
                    words,
                    {
                        spec.name: chosen[spec.name].make(
                            _generator(seed, name, spec.name),
                            _concrete(spec, batch, free_dim),
                        )
                        for spec in inputs
                    },
                )


def _check_dtype(spec: TensorSpec) -> None:
    if spec.dtype not in MEASURABLE:
        raise UnsupportedError(
            f"there are no probes of dtype {spec.dtype}",
            where=f"input {spec.name!r}",
            hint="Give a model that takes numbers (vectorise text before it), or convert with --no-parity.",
        )


def _batch_sizes(inputs: Sequence[TensorSpec]) -> tuple[int, ...]:
    fixed = {spec.shape[0] for spec in inputs if spec.shape} - {None}
    if len(fixed) > 1:
        raise UnsupportedError(
            "the inputs have different fixed batch sizes: "
            + ", ".join(f"{spec.name!r} {spec.shape}" for spec in inputs),
            hint="Give them one batch size, or leave it free.",
        )
    return tuple(size for size in fixed if size is not None) or _BATCH_SIZES


def _concrete(spec: TensorSpec, batch: int, free_dim: int) -> tuple[int, ...]:
    sizes = [size if size is not None else axis * free_dim for axis, size in enumerate(spec.shape)]
    return (batch, *sizes[1:]) if sizes else ()


def _generator(seed: int, probe: str, name: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{probe}\0{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *digest])))
