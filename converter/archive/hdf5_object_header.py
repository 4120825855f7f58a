"""Checks the headers of HDF5 objects before the HDF5 library follows their addresses.

Keras writes the oldest version of every structure. The newer ones (version 2 headers, links and attributes in
fractal heaps, shared messages) are not needed, and the library's code for them is not robust against damaged bytes:
it frees memory that it never allocated.

A version 1 header (HDF5 file format, IV.A.1.a): version (1), a reserved byte, the number of messages (2), a
count of references (4), the size of the first block (4), four bytes of padding; then messages, each its type
(2), size (2), flags (1), three reserved bytes and its data. A continuation holds the address and size of a
further block.
"""

import struct

from converter.archive.file_window import Window

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = struct.Struct("<8sB4xBB9xQ")  # signature, version, sizes of addresses and lengths, base
_PREFIX = struct.Struct("<BxHIIxxxx")
_MESSAGE = struct.Struct("<HHBxxx")
_POINTER = struct.Struct("<QQ")
_LINK_INFO, _CONTINUATION, _ATTRIBUTE_INFO = 0x02, 0x10, 0x15
_SHARED = 0x02
_NOWHERE = 2**64 - 1
_MOST_BLOCKS = 1000


def plain_superblock(window: Window) -> bool:
    """Whether the superblock is as h5py writes it by default: version 0, addresses relative to the file's start."""
    data = window.peek(0, _SUPERBLOCK.size)
    return len(data) == _SUPERBLOCK.size and _SUPERBLOCK.unpack(data) == (_SIGNATURE, 0, 8, 8, 0)


def plain_header(window: Window, address: int) -> bool:
    """Whether an object's header is of version 1 and contains its links and attributes itself."""
    prefix = window.peek(address, _PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return False
    version, _, _, size = _PREFIX.unpack(prefix)
    if version != 1:
        return False
    blocks = [(address + _PREFIX.size, size)]
    for start, length in blocks:
        if len(blocks) > _MOST_BLOCKS or length > (window.largest_read or length):
            return False
        further = _continued(window.peek(start, length))
        if further is None:
            return False
        blocks += further
    return True


def _continued(block: bytes) -> list[tuple[int, int]] | None:
    """The addresses and sizes of a block's continuations; None if a message in it is not plain."""
    further: list[tuple[int, int]] = []
    at = 0
    while at + _MESSAGE.size <= len(block):
        kind, size, flags = _MESSAGE.unpack_from(block, at)
        data = block[at + _MESSAGE.size : at + _MESSAGE.size + size]
        if flags & _SHARED or kind == _ATTRIBUTE_INFO or (kind == _LINK_INFO and _is_dense(data)):
            return None
        if kind == _CONTINUATION:
            if len(data) < _POINTER.size:
                return None
            further.append(_POINTER.unpack_from(data))
        at += _MESSAGE.size + size
    return further


def _is_dense(link_info: bytes) -> bool:
    """Version, flags, the largest creation order if flag 0 says so, then the address of the heap."""
    at = 10 if link_info[1:2] and link_info[1] & 1 else 2
    return int.from_bytes(link_info[at : at + 8].ljust(8, b"\0"), "little") != _NOWHERE
