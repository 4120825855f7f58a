"""Reads untrusted ``.npz`` and ``.npy`` files: without pickle, and with a limit on their size."""

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from converter.errors import UsageError

LARGEST_BYTES: Final = 2 << 30

_NPY_MAGIC: Final = b"\x93NUMPY"
# What zipfile, zlib and numpy raise for files that are damaged, encrypted or compressed by an unknown method. The
# last three come from the parser that numpy uses for headers.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    MemoryError,
    SyntaxError,
    tokenize.TokenError,
)


def read_arrays(option: str, path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file by name; that of a ``.npy`` is ``arr_0``, as np.savez names it.

    Sizes are checked before anything is allocated: the bytes that the zip declares, and for each array those that its
    header declares against those that are present.

    Args:
        option: The option of the command line, for error texts.
        path: The file; its content decides its kind, not its suffix.

    Raises:
        UsageError: The file does not exist, is of neither kind, is damaged, contains Python objects, or unpacks to
            more than ``LARGEST_BYTES``.
    """
    where = f"{option} {path.name}"
    try:
        with path.open("rb") as stream:
            is_npy = stream.read(len(_NPY_MAGIC)) == _NPY_MAGIC
            stream.seek(0)
            if is_npy:
                size = path.stat().st_size
                _check_total(where, size)
                return {"arr_0": _read_array(stream, size)}
            with zipfile.ZipFile(stream) as archive:
                return _read_members(where, archive)
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror or error}",
            where=where,
            hint="Give the path of an .npz or .npy file.",
        ) from error
    except _DAMAGE as error:
        raise UsageError(
            f"is not a file of arrays that can be read: {error}",
            where=where,
            hint="Save it with np.savez, without Python objects.",
        ) from error


def _read_members(where: str, archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    members = archive.infolist()
    _check_total(where, sum(member.file_size for member in members))
    arrays: dict[str, NDArray[Any]] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in arrays:
            raise ValueError(f"two arrays are called {name!r}")
        with archive.open(member) as stream:
            arrays[name] = _read_array(stream, member.file_size)
    return arrays


def _check_total(where: str, size: int) -> None:
    if size > LARGEST_BYTES:
        raise UsageError(
            f"holds {size} bytes of arrays; at most {LARGEST_BYTES} are read",
            where=where,
            hint="A few thousand rows prove as much; save fewer.",
        )


def _read_array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """One array from a stream of ``size`` bytes."""
    version = npy.read_magic(stream)
    # Version 3 differs from 2 only in the encoding of field names, and arrays with fields are refused below.
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or dtype.fields is not None:
        raise ValueError("it holds Python objects or records")
    declared = math.prod(shape) * dtype.itemsize
    if any(axis < 0 for axis in shape) or declared > size - stream.tell():
        raise ValueError(
            f"an array of shape {shape} and dtype {dtype} is declared, but its bytes are missing"
        )
    stream.seek(0)
    array: NDArray[Any] = np.asarray(npy.read_array(stream, allow_pickle=False))
    return array
