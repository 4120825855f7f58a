"""Checks a version against its golden request: a recorded request and the answer that the model must reproduce.

``golden.npz`` in the version's folder holds arrays named ``input:<name>`` and ``output:<name>``, and may hold
the scalars ``atol`` and ``rtol`` (16-bit and quantised artefacts are looser). An element passes if it is
equal, or |d| <= atol, or |d| <= rtol * |recorded|; NaN equals NaN.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.datatypes import BF16, BYTES, NUMPY, bf16_to_float32
from serving.errors import ModelLoadError
from serving.repository.files import regular_file
from serving.runtimes.runtime import Array, Runtime, TensorSpec

FILE = "golden.npz"
ATOL = 1e-5
RTOL = 1e-4


@dataclass(frozen=True, slots=True)
class Golden:
    """A recorded request that the model has reproduced.

    Attributes:
        inputs: The request, by input, with the batch.
        atol: Absolute tolerance.
        rtol: Relative tolerance.
    """

    inputs: Mapping[str, Array]
    atol: float
    rtol: float


def check(runtime: Runtime, version: Path) -> Golden | None:
    """Run a freshly loaded model on its recorded request, if it has one.

    Returns:
        The recorded request; None if there is none.

    Raises:
        ModelLoadError: The answer differs, or the record does not fit the model or cannot be read.
    """
    if not regular_file.is_there(version / FILE):
        return None
    record = _read(version / FILE)
    atol, rtol = float(record.get("atol", ATOL)), float(record.get("rtol", RTOL))
    inputs = {spec.name: _held(_entry(record, f"input:{spec.name}"), spec) for spec in runtime.inputs}
    wanted = [spec for spec in runtime.outputs if f"output:{spec.name}" in record]
    if not wanted:
        raise ModelLoadError(f"{FILE} records none of the model's outputs")
    try:
        answers = runtime.infer(inputs, [spec.name for spec in wanted])
    except Exception as error:
        raise ModelLoadError(f"the model fails on the request recorded in {FILE}: {error}") from error
    for spec, answer in zip(wanted, answers, strict=True):
        _compare(spec, answer, _held(record[f"output:{spec.name}"], spec), atol, rtol)
    return Golden(inputs, atol, rtol)


def _read(path: Path) -> Mapping[str, Array]:
    try:
        # Opened here, because numpy does not close a damaged file.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelLoadError(f"{FILE} cannot be read") from error


def _entry(record: Mapping[str, Array], key: str) -> Array:
    if key not in record:
        raise ModelLoadError(f"{FILE} lacks '{key}'")
    return record[key]


def _held(array: Array, spec: TensorSpec) -> Array:
    """The recorded array as the runtime takes it."""
    if spec.datatype == BYTES:
        objects = np.empty(array.size, np.object_)
        objects[:] = [each.encode() if isinstance(each, str) else each for each in array.ravel().tolist()]
        return objects.reshape(array.shape)
    if array.dtype != NUMPY[spec.datatype]:
        raise ModelLoadError(
            f"{FILE} records '{spec.name}' as {array.dtype}, and the model has {spec.datatype}"
        )
    return array


def _compare(spec: TensorSpec, answer: Array, recorded: Array, atol: float, rtol: float) -> None:
    if answer.shape != recorded.shape:
        raise ModelLoadError(
            f"output '{spec.name}' has shape {list(answer.shape)}, and {FILE} records {list(recorded.shape)}"
        )
    if spec.datatype == BYTES:
        if answer.tolist() != recorded.tolist():
            raise ModelLoadError(f"output '{spec.name}' differs from the text recorded in {FILE}")
        return
    passed, difference = agreement(spec, answer, recorded, atol, rtol)
    if not passed.all():
        worst = np.nanmax(np.where(passed, 0.0, difference), initial=0.0)
        raise ModelLoadError(
            f"output '{spec.name}' differs from {FILE} "
            f"in {np.count_nonzero(~passed)} of {passed.size} elements, by up to {worst:.3g}"
        )


def agreement(
    spec: TensorSpec, answer: Array, expected: Array, atol: float, rtol: float
) -> tuple[Array, Array]:
    """Which elements of an answer pass, and how far each is from the expected value.

    Args:
        spec: The output; not BYTES.
        answer: The answer, in the shape of ``expected``.
        expected: The expected values.
        atol: Absolute tolerance.
        rtol: Relative tolerance.

    Returns:
        Truths and distances, of that shape.
    """
    if spec.datatype == BF16:
        answer, expected = bf16_to_float32(answer), bf16_to_float32(expected)
    got, wanted = answer.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(got - wanted)
        passed = (got == wanted) | (difference <= atol) | (difference <= rtol * np.abs(wanted))
    # A recorded infinity makes the bound infinite, and any value would pass.
    passed &= np.isfinite(wanted) | (got == wanted)
    passed |= np.isnan(got) & np.isnan(wanted)
    return passed, difference
