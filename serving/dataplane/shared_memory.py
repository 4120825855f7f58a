"""The registry of shared memory: clients on the same host pass tensors in /dev/shm instead of sending them.

A region is a part of a file in /dev/shm. Threads may read and write regions while others register and unregister
them.
"""

import logging
import os
import stat
import sys
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.dataplane.shared_memory_region import Region
from serving.errors import (
    InvalidInputError,
    ModelNotFoundError,
    PermissionDeniedError,
    TooLargeError,
)

log = logging.getLogger(__name__)

FOLDER = Path("/dev/shm")  # noqa: S108  the folder of POSIX shared memory

MOST = 256
"""Most regions at a time: each keeps a file open, and the number of open files is limited."""

LONGEST_NAME = 1024
"""Most characters of a region's name, which is kept in memory."""


class SharedMemory:
    """The registered regions.

    Args:
        allowed: Whether clients may use shared memory at all.
        most: Most bytes of the inputs of one request in shared memory, and of its outputs.
        folder: The folder of the files.
    """

    def __init__(self, *, allowed: bool, most: int = sys.maxsize, folder: Path = FOLDER) -> None:
        self._allowed = allowed
        self._most = most
        self._folder = folder
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, size: int) -> None:
        """Register a part of shared memory under a name.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            InvalidInputError: The name is taken, or the key is no file in /dev/shm of at least that size.
        """
        self._check_allowed()
        if name in self._regions:
            raise InvalidInputError(f"the region '{name}' is registered already; unregister it first")
        if not name or len(name) > LONGEST_NAME or offset < 0 or size < 1:
            raise InvalidInputError(
                f"a region needs a name of at most {LONGEST_NAME} characters and at least one byte"
            )
        if len(self._regions) >= MOST:
            raise InvalidInputError(
                f"{MOST} regions are registered, and no more may be; unregister some first"
            )
        file = self._open(key)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or offset + size > found.st_size:
            os.close(file)
            raise InvalidInputError(
                f"the region '{name}' ends at byte {offset + size} of '{key}', which has {found.st_size}"
            )
        region = self._regions[name] = Region(name, key, offset, size, file)
        # Not closed by unregister: a thread that still writes would write to the file that is opened next.
        weakref.finalize(region, os.close, file)

    def unregister(self, name: str) -> None:
        """Unregister a region, or all of them if the name is empty. A region that is not there is ignored.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
        """
        self._check_allowed()
        for each in [name] if name else [*self._regions]:
            self._regions.pop(each, None)

    def status(self, name: str) -> list[Region]:
        """The region of that name, or all of them if the name is empty.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
        """
        self._check_allowed()
        return [self._region(name)] if name else [*self._regions.values()]

    def regions(self) -> list[dict[str, Any]]:
        """Every region, as :meth:`restore` takes it, with the inode of its file."""
        return [
            {
                "name": each.name,
                "key": each.key,
                "offset": each.offset,
                "size": each.size,
                "inode": os.fstat(each.file).st_ino,
            }
            for _, each in sorted(self._regions.items())
        ]

    def restore(self, regions: Iterable[Mapping[str, Any]]) -> None:
        """Register the regions of another process, and no others. A region whose file is gone is left out."""
        wanted = {each["name"]: dict(each) for each in regions}
        for each in self.regions():
            if wanted.get(each["name"]) == each:
                del wanted[each["name"]]
            else:
                self.unregister(each["name"])
        for each in wanted.values():
            try:
                self.register(each["name"], each["key"], each["offset"], each["size"])
            except InvalidInputError as error:
                log.warning("a region of shared memory is forgotten: %s", error)

    def read(self, name: str, offset: int, size: int) -> memoryview:
        """The bytes of a tensor.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The bytes are not all within the region, or its file was shortened.
            InternalError: The system cannot read them.
        """
        region = self.within(name, offset, size)
        return region.read(offset, size)

    def write(self, name: str, offset: int, room: int, data: bytes | memoryview) -> None:
        """Write the bytes of a tensor into a region. If that fails, some of them may have been written.

        Args:
            name: The region.
            offset: Where in it they begin.
            room: How many bytes the client reserved for them.
            data: The bytes.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The client reserved too few bytes, or bytes outside the region, or shortened its file.
            NoRoomError: The file system of shared memory is full.
            InternalError: The system cannot write them.
        """
        region = self.within(name, offset, room)
        content = np.frombuffer(data, np.uint8).data
        if len(content) > room:
            raise InvalidInputError(
                f"the output takes {len(content)} bytes, and {room} of region '{name}' are for it"
            )
        region.write(offset, content)

    def check_size(self, size: int) -> None:
        """Check that the inputs of one request, or its outputs, may take so many bytes of shared memory.

        Raises:
            TooLargeError: They may not.
        """
        if size > self._most:
            raise TooLargeError(
                f"the tensors of one request in shared memory take {size} bytes, and {self._most} is the most, "
                "as of a message; ask for less at once, or start the server with a larger --max-message-size"
            )

    def close(self) -> None:
        """Unregister every region."""
        self._regions.clear()

    def within(self, name: str, offset: int, size: int) -> Region:
        """The region of that name, in which these bytes must lie.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The bytes are not all within it.
        """
        self._check_allowed()
        region = self._region(name)
        if offset < 0 or size < 0 or offset + size > region.size:
            raise InvalidInputError(
                f"bytes {offset} to {offset + size} are not within the region '{name}' of {region.size} bytes"
            )
        return region

    def _region(self, name: str) -> Region:
        region = self._regions.get(name)
        if region is None:
            raise ModelNotFoundError(
                f"there is no shared memory region '{name}'; register it with SystemSharedMemoryRegister"
            )
        return region

    def _open(self, key: str) -> int:
        name = key.removeprefix("/")
        if not name or "/" in name or "\0" in name or name in {".", ".."}:
            raise InvalidInputError(
                f"the key '{key}' names no shared memory; expected '/' and a name without '/'"
            )
        try:
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            return os.open(self._folder / name, flags)
        except OSError as error:
            raise InvalidInputError(
                f"the shared memory '{key}' cannot be opened: {error.strerror}"
            ) from error

    def _check_allowed(self) -> None:
        if not self._allowed:
            raise PermissionDeniedError(
                "shared memory is off; start the server with --allow-shared-memory, or send the tensors"
            )
