"""One region of shared memory: reads and writes the bytes of a file in /dev/shm by position.

The file is never mapped: if a client shortens its file, a read returns an error, where an access to a mapping would
end the server. A read returns a copy, so that a client cannot change a tensor after it was checked.
"""

import errno
import os
from dataclasses import dataclass

import numpy as np

from serving.errors import InternalError, InvalidInputError, NoRoomError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG})
"""The errors of a write for which there is no space."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Region:
    """A registered part of shared memory. Its file is closed when nothing refers to the region any more.

    Attributes:
        name: What requests call it.
        key: The file's name in /dev/shm, as the client wrote it.
        offset: Where in the file it begins.
        size: Its bytes.
        file: The open file.
    """

    name: str
    key: str
    offset: int
    size: int
    file: int

    def read(self, offset: int, size: int) -> memoryview:
        """A copy of some bytes of the region.

        Raises:
            InvalidInputError: The file was shortened.
            InternalError: The system cannot read them.
        """
        start = self.offset + offset
        self._check_length(start + size)
        data, done = np.empty(size, np.uint8).data, 0
        while done < size:
            try:
                count = os.preadv(self.file, [data[done:]], start + done)
            except OSError as error:
                raise InternalError(f"the shared memory '{self.key}' cannot be read") from error
            if not count:
                raise self._shortened()
            done += count
        return data.toreadonly()

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes into the region. If that fails, some of them may have been written.

        Raises:
            InvalidInputError: The file was shortened.
            NoRoomError: The file system of shared memory is full.
            InternalError: The system cannot write them.
        """
        start, left = self.offset + offset, data
        self._check_length(start + len(left))
        while left:
            try:
                count = os.pwrite(self.file, left, start)
            except OSError as error:
                raise self._not_written(error) from error
            start, left = start + count, left[count:]

    def _check_length(self, end: int) -> None:
        """Check that the file still has the bytes before ``end``."""
        if os.fstat(self.file).st_size < end:
            raise self._shortened()

    def _shortened(self) -> InvalidInputError:
        return InvalidInputError(f"'{self.key}' was shortened after the region '{self.name}' was registered")

    def _not_written(self, error: OSError) -> NoRoomError | InternalError:
        if error.errno in NO_ROOM:
            return NoRoomError(
                f"the shared memory '{self.key}' has no room for the output: {error.strerror}; "
                "remove what fills it, or ask without shared_memory_region"
            )
        return InternalError(f"the shared memory '{self.key}' cannot be written")
