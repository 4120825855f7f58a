"""Limits of input files: only regular files are read, up to a size that fits into memory."""

import stat
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20

MOST_BINARY: Final = 2048 * MIB
"""Most bytes of arrays, and of an unpacked archive of them: about as many as one message may have."""

MOST_TEXT: Final = 128 * MIB
"""Most bytes of text and of images; the objects made of them take many times as much."""


def check(path: Path, most: int) -> None:
    """Check that a file can be read, without reading it.

    Args:
        path: The file.
        most: Most bytes that it may have.

    Raises:
        ValueError: It is not there, is something else than a file, or is too large.
        OSError: It cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("is not a regular file; a pipe, a folder or a device cannot be sent")
    check_size(found.st_size, most)


def check_size(size: int, most: int) -> None:
    """Check that a size is within a limit.

    Raises:
        ValueError: They are too many.
    """
    if size > most:
        raise ValueError(
            f"has {size / MIB:.0f} MiB, and {most // MIB} is the most that is read; split it, or use .npy"
        )
