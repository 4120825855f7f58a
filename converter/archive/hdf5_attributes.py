"""Reads text attributes of an HDF5 file, with bounded size.

A text of variable length is a pointer into a heap, and many pointers can refer to one long text, so a file of a few
MiB could expand to as many GiB. Therefore the heap's size is bounded (the window's ``largest_read``), as are the
number of pointers in one attribute and the length of each text once it is read. Other types are refused.
"""

import math
from typing import Any

import h5py
import numpy as np

from converter.archive.budget import Budget
from converter.archive.library_errors import LIBRARY_ERRORS
from converter.errors import UnsafeFileError

_MOST_TEXTS = 4096  # in one attribute; a header holds no more pointers


def text_attribute(holder: h5py.Group | h5py.Dataset, key: str, name: str, budget: Budget) -> str | None:
    """A text attribute; None if it is not there.

    Raises:
        UnsafeFileError: It is not text, or too long.
    """
    try:
        if key not in holder.attrs:
            return None
    except LIBRARY_ERRORS as error:
        raise _unreadable(key, name, error) from None
    value = _attribute(holder, key, name, budget, most=1)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise UnsafeFileError(f"attribute '{key}' is not text", where=name)
    return value


def text_list_attribute(holder: h5py.Group, key: str, name: str, budget: Budget) -> list[str]:
    """A list of texts; Keras splits a long one into ``key0``, ``key1``, ...

    Raises:
        UnsafeFileError: It is missing or not a list of texts, or one is longer than a name may be.
    """
    chunks = [key] if key in holder.attrs else []
    while not chunks or chunks[-1] != key:
        following = f"{key}{len(chunks)}"
        if following not in holder.attrs:
            break
        chunks.append(following)
    if not chunks:
        raise UnsafeFileError(f"attribute '{key}' is missing", where=name)
    return [text for chunk in chunks for text in _texts(holder, chunk, name, budget)]


def _texts(holder: h5py.Group, key: str, name: str, budget: Budget) -> list[str]:
    items = np.ravel(_attribute(holder, key, name, budget, most=_MOST_TEXTS))
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
    if any(len(text) > budget.name_bytes for text in texts):
        raise UnsafeFileError(
            f"attribute '{key}' holds a text of over {budget.name_bytes} characters", where=name
        )
    return [str(text) for text in texts]


def _attribute(holder: h5py.Group | h5py.Dataset, key: str, name: str, budget: Budget, most: int) -> Any:  # noqa: ANN401  a text or an array of them
    try:
        identifier = holder.attrs.get_id(key)
        count = math.prod(identifier.shape or ())
        if count > most or count * identifier.dtype.itemsize > budget.config_bytes:
            raise UnsafeFileError(f"attribute '{key}' is larger than allowed", where=name)
        if not count:
            return []
        # Other types are not passed to the HDF5 library, which crashes on some of them.
        if identifier.shape is None or not isinstance(identifier.get_type(), h5py.h5t.TypeStringID):
            raise UnsafeFileError(f"attribute '{key}' is not text", where=name)
        return holder.attrs[key]
    except LIBRARY_ERRORS as error:
        raise _unreadable(key, name, error) from None


def _unreadable(key: str, name: str, error: Exception) -> UnsafeFileError:
    return UnsafeFileError(f"attribute '{key}' cannot be read ({error})", where=name)
