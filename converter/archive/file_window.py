"""Presents part of an open file as a file, and can limit the size of a single read.

Libraries that parse a file read whatever its bytes make them read. A window confines them to one part of the file
and, while only small structures are expected, bounds each read.
"""

import io
import os
from collections.abc import Callable
from typing import BinaryIO


class Window(io.RawIOBase):
    """Bytes ``start`` to ``start + size`` of an open file, which stays open when it is closed.

    Attributes:
        largest_read: The most bytes that one read may ask for; None for any number. HDF5 reads each of its
            structures in one piece, so this bounds what a structure can hold.
        inspect: Called with the position and size of each read, before its bytes are handed over; raises
            OSError to refuse them.
        size: How many bytes there are.

    Args:
        descriptor: The open file.
        start: Where the window begins.
        size: How long it is; to the file's end if it is not given.
        owned: The file itself, if the window is to close it.
    """

    def __init__(
        self, descriptor: int, start: int = 0, size: int | None = None, owned: BinaryIO | None = None
    ) -> None:
        self.largest_read: int | None = None
        self.inspect: Callable[[Window, int, int], None] | None = None
        self._descriptor = descriptor
        self._start = start
        self.size = os.fstat(descriptor).st_size - start if size is None else size
        self._position = 0
        self._owned = owned

    def part(self, start: int, size: int) -> "Window":
        """A window on part of this one."""
        return Window(self._descriptor, self._start + start, size)

    def close(self) -> None:
        """Close the file with it if it was given the file."""
        if self._owned:
            self._owned.close()
        super().close()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """Any position can be read."""
        return True

    def tell(self) -> int:
        """The position, from the window's start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; a position past the end reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("a position before the start of the file")
        self._position = base + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; all that are left if it is negative.

        Raises:
            OSError: That is more than one read may ask for.
        """
        left = max(0, self.size - self._position)
        data = bytearray(left if size < 0 else min(size, left))
        return bytes(memoryview(data)[: self.readinto(data)])

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as there are bytes.

        Raises:
            OSError: The buffer is larger than one read may be.
        """
        view = memoryview(buffer).cast("B")
        if self.largest_read is not None and len(view) > self.largest_read:
            raise OSError(f"a structure of {len(view):,} bytes, where at most {self.largest_read:,} belong")
        done = self._fill(view, self._position)
        if self.inspect is not None:
            self.inspect(self, self._position, done)
        self._position += done
        return done

    def peek(self, position: int, size: int) -> bytes:
        """The bytes at a position, as many of them as there are; not inspected, and nothing moves."""
        data = bytearray(min(size, max(0, self.size - position)))
        return bytes(data[: self._fill(memoryview(data), position)])

    def _fill(self, view: memoryview, position: int) -> int:
        wanted = min(len(view), max(0, self.size - position))
        done = 0
        while done < wanted:  # one call reads 2 GiB at most
            count = os.preadv(self._descriptor, [view[done:wanted]], self._start + position + done)
            if not count:
                break
            done += count
        return done
