"""Numbers of variable length, as protobuf writes them: seven bits a byte, the least first, a bit on all but the last.

Source: https://protobuf.dev/programming-guides/encoding/#varints
"""

from mmap import mmap

_LONGEST = 10
"""Bytes of a number."""


def read_number(data: bytes | mmap, at: int) -> tuple[int, int]:
    """A number, and where it ends.

    Args:
        data: What holds it.
        at: Where it begins.

    Raises:
        IndexError: It does not end, or is too long.
    """
    value = shift = 0
    while data[at] > 0x7F:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if shift == 7 * _LONGEST:
            raise IndexError
    return value | data[at] << shift, at + 1


def write_number(number: int) -> bytes:
    """The bytes of a number from 0; :func:`read_number` reads it."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
