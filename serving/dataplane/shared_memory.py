"""Tensors in the host's shared memory: clients on the same host need not send them.

A region is a part of a file in /dev/shm. It is read and written by position and never mapped: a client that
shortens its file then gets an error, where a mapping would end the server. What is read is a copy, so a client
cannot change a tensor after it was checked.
"""

import logging
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import InvalidInputError, ModelNotFoundError, PermissionDeniedError

log = logging.getLogger(__name__)

FOLDER = Path("/dev/shm")  # noqa: S108  where POSIX shared memory is

MOST = 256
"""Regions at a time: each holds a file open, and a process has only so many."""


@dataclass(frozen=True, slots=True)
class Region:
    """A registered part of shared memory.

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


class SharedMemory:
    """The registered regions.

    Args:
        allowed: Whether clients may use shared memory at all.
        folder: Where it is.
    """

    def __init__(self, *, allowed: bool, folder: Path = FOLDER) -> None:
        self._allowed = allowed
        self._folder = folder
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, size: int) -> None:
        """Make a part of shared memory known under a name.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            InvalidInputError: The name is taken, or the key is no file in /dev/shm of at least that size.
        """
        self._check_allowed()
        if name in self._regions:
            raise InvalidInputError(f"the region '{name}' is registered already; unregister it first")
        if not name or size < 1:
            raise InvalidInputError("a region needs a name and at least one byte")
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
        self._regions[name] = Region(name, key, offset, size, file)

    def unregister(self, name: str) -> None:
        """Forget a region, or all of them if the name is empty. One that is not there is forgotten already.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
        """
        self._check_allowed()
        for each in [name] if name else [*self._regions]:
            region = self._regions.pop(each, None)
            if region is not None:
                os.close(region.file)

    def status(self, name: str) -> list[Region]:
        """The region of that name, or all of them if the name is empty.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
        """
        self._check_allowed()
        return [self._region(name)] if name else [*self._regions.values()]

    def regions(self) -> list[dict[str, Any]]:
        """Every region, as :meth:`restore` takes it, with the number of the file that its key named."""
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
        """Have the regions of another process and no others. One whose file is gone is left out."""
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

    def read(self, name: str, offset: int, size: int) -> bytes:
        """The bytes of a tensor.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The bytes are not all within the region, or its file was shortened.
        """
        region = self._within(name, offset, size)
        data = os.pread(region.file, size, region.offset + offset)
        if len(data) != size:
            raise InvalidInputError(f"'{region.key}' was shortened after the region '{name}' was registered")
        return data

    def write(self, name: str, offset: int, room: int, data: bytes) -> None:
        """Put the bytes of a tensor where a client wants them.

        Args:
            name: The region.
            offset: Where in it.
            room: How many bytes the client set aside.
            data: The bytes.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: There is not enough room, or it is not within the region.
        """
        region = self._within(name, offset, room)
        if len(data) > room:
            raise InvalidInputError(
                f"the output takes {len(data)} bytes, and {room} of region '{name}' are for it"
            )
        if os.fstat(region.file).st_size < region.offset + offset + len(data):
            raise InvalidInputError(f"'{region.key}' was shortened after the region '{name}' was registered")
        os.pwrite(region.file, data, region.offset + offset)

    def close(self) -> None:
        """Forget every region."""
        for region in self._regions.values():
            os.close(region.file)
        self._regions.clear()

    def _within(self, name: str, offset: int, size: int) -> Region:
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
