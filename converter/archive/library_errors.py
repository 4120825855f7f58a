"""What libraries raise on damaged bytes, turned into one clear error."""

from collections.abc import Iterator
from typing import TypeVar

from converter.errors import UnsafeFileError

T = TypeVar("T")

# HDF5's own errors reach Python as whichever of these h5py finds nearest.
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
    """Iterate over what a library reads.

    Raises:
        UnsafeFileError: The library met damaged bytes.
    """
    try:
        yield from items
    except LIBRARY_ERRORS as error:
        raise UnsafeFileError(f"is damaged ({error})", where=name) from None
