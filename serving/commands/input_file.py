"""Files that hold inputs of a model: .npy, .npz, .json, .csv, and images.

Numbers in them take the model's datatype as literals do: rounded to its floats, integers only where they fit.
One sample without the batch's dimension becomes a batch of one. A file is not believed: it is bounded before it is
read, and whatever a reader makes of a damaged one is an error of one line.
"""

import csv
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.client.arrays import fit, fit_literals
from serving.client.errors import InputError
from serving.client.metadata import ModelMetadata, TensorMetadata
from serving.commands import input_file_limits
from serving.commands.image_file import SUFFIXES, PackageMissingError, read_image
from serving.datatypes import BYTES, NUMPY

BINARY: Final = frozenset({".npy", ".npz"})
"""Files that take about as much memory as they have bytes."""

TOO_MANY_DIGITS: Final = "holds a whole number of too many digits"
"""Python's own text names a function that would let it read such."""

Note = Callable[[str], None]


class InputFileError(Exception):
    """A file cannot be read, or does not hold inputs of this model."""


def read(path: Path, metadata: ModelMetadata, note: Note = lambda _: None) -> dict[str, NDArray[Any]]:
    """Read a model's inputs.

    Args:
        path: A file; its suffix says what it is.
        metadata: The model.
        note: Told what was changed to make the file fit.

    Returns:
        Arrays by input name, as the client takes them.

    Raises:
        InputFileError: The file is missing, damaged, too large, of an unknown kind, or fits another model.
        InputError: A number does not fit the input's datatype.
        PackageMissingError: It is an image and Pillow is not installed.
    """
    suffix = path.suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        raise InputFileError(f"{path}: unknown kind of file; those there are: {', '.join(READERS)}")
    try:
        input_file_limits.check(
            path, input_file_limits.MOST_BINARY if suffix in BINARY else input_file_limits.MOST_TEXT
        )
        values = _by_name(reader(path, metadata, lambda text: note(f"{path}: {text}")), metadata)
        tensors = {tensor.name: tensor for tensor in metadata.inputs}
        return {name: _fit(value, tensors[name]) for name, value in values.items()}
    except (InputError, PackageMissingError):
        raise
    except Exception as error:
        raise InputFileError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What is wrong with a file; what parsers raise of damaged ones, nobody can list."""
    match error:
        case OSError():
            return f"cannot be read: {error.strerror or error}"
        case RecursionError():
            return "is nested too deeply"
        case MemoryError():
            return "claims to hold more than fits into memory"
        case ValueError():
            return str(error)
    return f"cannot be read: {error or type(error).__name__}"


def _by_name(values: ArrayLike | Mapping[str, ArrayLike], metadata: ModelMetadata) -> Mapping[str, ArrayLike]:
    names = [tensor.name for tensor in metadata.inputs]
    listed = ", ".join(names)
    if not isinstance(values, Mapping):
        if len(names) > 1:
            raise ValueError(f"holds one array, and the model has the inputs {listed}; use .npz or .json")
        return {names[0]: values}
    if len(values) == len(names) == 1:
        return {names[0]: next(iter(values.values()))}  # numpy names a lone array arr_0
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"holds {', '.join(values)}, and the model has the inputs {listed}")
    return {name: values[name] for name in names}  # a file may hold answers and labels beside the inputs


def _fit(value: ArrayLike, tensor: TensorMetadata) -> NDArray[Any]:
    numeric = tensor.datatype in NUMPY and tensor.datatype != BYTES
    array = (fit_literals if numeric else fit)(value, tensor)
    return array[None] if array.ndim == len(tensor.shape) - 1 else array


def _read_npy(path: Path, *_: object) -> ArrayLike:
    with path.open("rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            raise ValueError("is not an .npy file, whatever its name says")
        file.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _read_npz(path: Path, *_: object) -> Mapping[str, ArrayLike]:
    if not zipfile.is_zipfile(path):
        raise ValueError("is not an .npz file, whatever its name says")
    with zipfile.ZipFile(path) as archive:
        # No more is unpacked of an entry than it says here.
        input_file_limits.check_size(
            sum(entry.file_size for entry in archive.infolist()), input_file_limits.MOST_BINARY
        )
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _read_json(path: Path, *_: object) -> ArrayLike | Mapping[str, ArrayLike]:
    text = path.read_text(encoding="utf-8")
    try:
        values: ArrayLike | Mapping[str, ArrayLike] = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error
    except ValueError as error:
        raise ValueError(TOO_MANY_DIGITS) from error
    return values


def _read_csv(path: Path, metadata: ModelMetadata, _: Note) -> ArrayLike:
    """Rows of numbers, one sample each; a first line without any number is a header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    numeric = metadata.inputs[0].datatype != BYTES
    if numeric and rows and not any(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    if not rows:
        raise ValueError("holds no rows")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("has rows of different lengths")
    # As objects: an array of numpy's own choice would turn integers beside fractions into fractions.
    table = np.array([[_number(cell) if numeric else cell for cell in row] for row in rows], dtype=np.object_)
    dims = metadata.inputs[0].shape[1:]
    values: ArrayLike = (table.reshape(len(table), *dims) if dims.count(-1) <= 1 else table).tolist()
    return values


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str) -> int | float:
    if not _is_number(cell):
        raise ValueError(f"holds '{cell}' where a number belongs")
    try:
        return int(cell) if cell.lstrip("+-").isdecimal() else float(cell)
    except ValueError as error:
        raise ValueError(TOO_MANY_DIGITS) from error


def _read_image(path: Path, metadata: ModelMetadata, note: Note) -> ArrayLike:
    if len(metadata.inputs) > 1:
        raise ValueError("is an image, and the model has several inputs; use .npz or .json")
    return read_image(path, metadata.inputs[0], note)


READERS: Final[dict[str, Callable[[Path, ModelMetadata, Note], ArrayLike | Mapping[str, ArrayLike]]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".json": _read_json,
    ".csv": _read_csv,
    **dict.fromkeys(SUFFIXES, _read_image),
}
