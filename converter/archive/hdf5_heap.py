"""Checks the global heaps of HDF5, which hold texts of variable length, before the HDF5 library reads them.

A collection (HDF5 file format, III.E): ``GCOL``, version 1, three reserved bytes, its size (8 bytes); then
objects, each an index (2), a count of references (2), four reserved bytes, a size (8) and that many bytes
padded to a multiple of 8. The object with index 0 is the free space, and its size counts its own header.

The library trusts these sizes: a size of zero in the free space makes it loop forever while it holds the GIL.
"""

import struct

from converter.archive.file_window import Window

_START = b"GCOL\x01"
_COLLECTION = struct.Struct("<5s3xQ")
_OBJECT = struct.Struct("<HH4xQ")


def inspect_heaps(window: Window, position: int, size: int) -> None:
    """Check every heap collection that begins in the part of the file that the library is about to read.

    Raises:
        OSError: The sizes of the objects in a collection do not fit its own size.
    """
    first = max(0, position - len(_START) + 1)  # a signature may be split between two reads
    data = window.peek(first, position - first + size + len(_START) - 1)
    at = data.find(_START)
    while at >= 0:
        _check(window, first + at)
        at = data.find(_START, at + 1)


def _check(window: Window, start: int) -> None:
    header = window.peek(start, _COLLECTION.size)
    size = _COLLECTION.unpack(header)[1] if len(header) == _COLLECTION.size else 0
    if start + size > window.size or (window.largest_read is not None and size > window.largest_read):
        raise OSError(f"a heap of {size:,} bytes")
    data = window.peek(start, size)
    at = _COLLECTION.size
    while at + _OBJECT.size <= size:
        index, _, length = _OBJECT.unpack_from(data, at)
        step = length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if step < _OBJECT.size or at + step > size:
            raise OSError("a heap whose sizes contradict each other")
        at += step
