"""Reads the user's own inputs (``--samples``) and recorded outputs (there or in ``--expected``) as probes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.dtypes import MEASURABLE, numpy_dtype
from converter.errors import UsageError
from converter.parity.array_file import read_arrays
from converter.parity.probes import Probe
from converter.signature import Signature, TensorSpec

_ROWS_AT_ONCE = 32
# The name of a lone array: numpy gives it in np.savez(file, x), and read_arrays in a .npy file.
_UNNAMED = "arr_0"
OUTPUT = "output:"
"""The prefix of an output's name that is also the name of an input."""
_BFLOAT16_BITS = np.dtype("V2")


def sample_probes(samples: Path, expected: Path | None, signature: Signature) -> list[Probe]:
    """Read the files, check them against the signature, and cut them into batches.

    A file of samples with an array for each output contains the recorded outputs too, like the files that
    ``converter.record`` writes. An output with the name of an input is ``output:<name>`` there.

    Arrays are matched by name; a model with one input (one output) also takes a ``.npy`` or a lone unnamed
    array. Arrays of other names are ignored: one file may contain inputs, outputs and labels. A dtype may
    differ from that of the signature only if the cast changes no value.

    Args:
        samples: ``.npz`` or ``.npy`` with the inputs.
        expected: The same with the outputs; None if they are among the samples, or were not recorded.
        signature: What the model takes and returns.

    Returns:
        Probes of at most 32 rows (of exactly the batch, where that is fixed), in the order of the file; they
        share memory with one copy of the arrays.

    Raises:
        UsageError: A file cannot be read, lacks a name, or holds an array of another shape, dtype or number
            of rows; the text names what came and what was expected.
    """
    arrays = read_arrays("--samples", samples)
    inputs = _matched("--samples", samples, arrays, signature.inputs)
    names = [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]
    recorded = _recorded(samples, arrays, expected, *names)
    outputs = None
    if recorded:
        option, path = ("--expected", expected) if expected else ("--samples", samples)
        outputs = _matched(option, path, recorded, signature.outputs)
    rows = _common_rows(samples, inputs, expected, outputs or {})
    size = _batch_size(samples, signature.inputs, rows)
    return [
        Probe(
            name=f"samples-{start}",
            distribution=f"rows {start} to {min(start + size, rows) - 1} of {samples.name}",
            inputs=_rows(inputs, start, size),
            expected=None if outputs is None else _rows(outputs, start, size),
            made=False,
        )
        for start in range(0, rows, size)
    ]


def require_samples(
    samples: Path, expected: Path | None, inputs: Sequence[TensorSpec], outputs: Sequence[str]
) -> bool:
    """Check the files without the model, of whose outputs the shapes and dtypes are not known yet.

    Returns:
        Whether outputs were recorded.

    Raises:
        UsageError: As ``sample_probes`` does.
    """
    arrays = read_arrays("--samples", samples)
    given = _matched("--samples", samples, arrays, inputs)
    answers = _recorded(samples, arrays, expected, [spec.name for spec in inputs], outputs)
    for name, array in answers.items():
        if array.ndim == 0 or (array.dtype.name not in MEASURABLE and array.dtype != _BFLOAT16_BITS):
            raise UsageError(
                f"array {name!r} has shape {array.shape} and dtype {array.dtype.name}; rows of numbers were expected",
                where="--expected" if expected else "--samples",
                hint="Save what the model answers to --samples, one row for each of their rows.",
            )
    rows = _common_rows(samples, given, expected, answers)
    _batch_size(samples, inputs, rows)
    return bool(answers)


def _recorded(
    samples: Path,
    arrays: Mapping[str, NDArray[Any]],
    expected: Path | None,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """The recorded outputs, from the samples or from their own file; empty if there are none."""
    if expected is not None:
        return _named("--expected", expected, _without_prefix(read_arrays("--expected", expected)), outputs)
    answers = _without_prefix({name: array for name, array in arrays.items() if name not in inputs})
    if not answers.keys() & set(outputs):
        return {}
    return _named("--samples", samples, answers, outputs)


def _without_prefix(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays, with ``output:<name>`` renamed to ``<name>``."""
    named = {name.removeprefix(OUTPUT): array for name, array in arrays.items() if name.startswith(OUTPUT)}
    return {**arrays, **named}


def _matched(
    option: str, path: Path, arrays: Mapping[str, NDArray[Any]], specs: Sequence[TensorSpec]
) -> dict[str, NDArray[Any]]:
    found = _named(option, path, arrays, [spec.name for spec in specs])
    return {spec.name: _fitted(f"{option} {path.name}", found[spec.name], spec) for spec in specs}


def _named(
    option: str, path: Path, arrays: Mapping[str, NDArray[Any]], names: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """The arrays of these names."""
    if len(names) == 1 and list(arrays) == [_UNNAMED]:
        arrays = {names[0]: arrays[_UNNAMED]}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise UsageError(
            f"holds {_listed(arrays)}, and lacks {_listed(missing)}",
            where=f"{option} {path.name}",
            hint=f"Save it with np.savez, one array for each of {_listed(names)}.",
        )
    return {name: arrays[name] for name in names}


def _fitted(where: str, array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """The array in the spec's dtype, if its shape fits and nothing is lost."""
    if array.ndim != len(spec.shape) or any(
        wanted not in (None, size) for wanted, size in zip(spec.shape[1:], array.shape[1:], strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in ("rows", *spec.shape[1:]))
        raise UsageError(
            f"array {spec.name!r} has shape {array.shape}, and ({wanted}) was expected",
            where=where,
            hint="The first axis counts the rows; the others are those of the model.",
        )
    if spec.dtype not in MEASURABLE:
        raise UsageError(
            f"array {spec.name!r} is for a tensor of dtype {spec.dtype}, which cannot be compared",
            where=where,
            hint="Prove the part of the model that takes and returns numbers.",
        )
    return _cast(where, array, spec)


def _cast(where: str, array: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    dtype = numpy_dtype(spec.dtype)
    if array.dtype == _BFLOAT16_BITS and spec.dtype == "bfloat16":
        return array.view(dtype)  # numpy's files have no name for bfloat16 and store its bits
    if array.dtype.name not in MEASURABLE:
        raise _misfit(where, array, spec, "is no dtype of numbers")
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        same = np.array_equal(array, cast.astype(array.dtype), equal_nan=array.dtype.kind not in "biu")
        # -1 comes back from uint8 as -1, and was 255 there.
        same = same and np.array_equal(array < 0, cast < 0)
    if not same:
        raise _misfit(where, array, spec, "cannot be cast without loss")
    return cast


def _misfit(where: str, array: NDArray[Any], spec: TensorSpec, why: str) -> UsageError:
    return UsageError(
        f"array {spec.name!r} has dtype {array.dtype.name}, which {why}; {spec.dtype} was expected",
        where=where,
        hint=f"Save it as {spec.dtype}, with array.astype({spec.dtype!r}), if the loss is meant.",
    )


def _common_rows(
    samples: Path,
    inputs: Mapping[str, NDArray[Any]],
    expected: Path | None,
    outputs: Mapping[str, NDArray[Any]],
) -> int:
    rows = {f"{name!r} in {samples.name}": len(array) for name, array in inputs.items()}
    answered = (expected or samples).name
    rows |= {f"{name!r} in {answered}": len(array) for name, array in outputs.items()}
    if len(set(rows.values())) != 1 or 0 in rows.values():
        counts = ", ".join(f"{count} rows of {name}" for name, count in rows.items())
        raise UsageError(
            f"{counts} came; the same number was expected of each, and at least one",
            where="--samples" if expected is None else "--samples and --expected",
            hint="Save inputs and answers of the same rows, in the same order.",
        )
    return next(iter(rows.values()))


def _batch_size(samples: Path, specs: Sequence[TensorSpec], rows: int) -> int:
    fixed = next((spec.shape[0] for spec in specs if spec.shape[0] is not None), None)
    if fixed is not None and rows % fixed:
        raise UsageError(
            f"{rows} rows came; the model takes batches of {fixed}, so a multiple of {fixed} was expected",
            where=f"--samples {samples.name}",
            hint=f"Leave out the last {rows % fixed} rows, or add {fixed - rows % fixed}.",
        )
    return fixed or _ROWS_AT_ONCE


def _rows(arrays: Mapping[str, NDArray[Any]], start: int, size: int) -> dict[str, NDArray[Any]]:
    return {name: array[start : start + size] for name, array in arrays.items()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "no arrays"
