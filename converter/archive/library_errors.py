"""Translates the exceptions that h5py raises for damaged files into one error."""

from collections.abc import Iterator
from typing import TypeVar

from converter.errors import UnsafeFileError

T = TypeVar("T")

# h5py maps the errors of the HDF5 library to these exceptions.
LIBRARY_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)


def guarded(items: Iterator[T], name: str) -> Iterator[T]:
    """Iterate over items that h5py reads, and translate its exceptions.

    Raises:
        UnsafeFileError: The file is damaged.
    """
    try:
        yield from items
    except LIBRARY_ERRORS as error:
        raise UnsafeFileError(f"is damaged ({error})", where=name) from None
