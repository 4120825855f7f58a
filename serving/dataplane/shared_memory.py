"""Tensors in the host's shared memory: clients on the same host need not send them.

A region is a part of a file in /dev/shm. It is read and written by position and never mapped: a client that
shortens its file then gets an error, where a mapping would end the server. What is read is a copy, so a client
cannot change a tensor after it was checked. Threads may read and write while regions come and go.
"""

import errno
import logging
import os
import stat
import sys
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import (
    InternalError,
    InvalidInputError,
    ModelNotFoundError,
    NoRoomError,
    PermissionDeniedError,
    TooLargeError,
)

log = logging.getLogger(__name__)

FOLDER = Path("/dev/shm")  # noqa: S108  where POSIX shared memory is

MOST = 256
"""Regions at a time: each holds a file open, and a process has only so many."""

LONGEST_NAME = 1024
"""Characters of a region's name: names are kept for as long as their regions are."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG})
"""Why a write fails that has nowhere to go."""


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


class SharedMemory:
    """The registered regions.

    Args:
        allowed: Whether clients may use shared memory at all.
        most: Most bytes of all the inputs of one request that lie here, and of all its outputs.
        folder: Where it is.
    """

    def __init__(self, *, allowed: bool, most: int = sys.maxsize, folder: Path = FOLDER) -> None:
        self._allowed = allowed
        self._most = most
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
        # Not by whoever forgets the region: a thread that still writes would write to the file that is opened next.
        weakref.finalize(region, os.close, file)

    def unregister(self, name: str) -> None:
        """Forget a region, or all of them if the name is empty. One that is not there is forgotten already.

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

    def read(self, name: str, offset: int, size: int) -> memoryview:
        """The bytes of a tensor.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The bytes are not all within the region, or its file was shortened.
            InternalError: The system cannot read them.
        """
        region = self.within(name, offset, size)
        start = region.offset + offset
        _check_length(region, start + size)
        data, done = np.empty(size, np.uint8).data, 0
        while done < size:
            try:
                count = os.preadv(region.file, [data[done:]], start + done)
            except OSError as error:
                raise InternalError(f"the shared memory '{region.key}' cannot be read") from error
            if not count:
                raise _shortened(region)
            done += count
        return data.toreadonly()

    def write(self, name: str, offset: int, room: int, data: bytes | memoryview) -> None:
        """Put the bytes of a tensor where a client wants them. If that fails, some of them may be there.

        Args:
            name: The region.
            offset: Where in it.
            room: How many bytes the client set aside.
            data: The bytes.

        Raises:
            PermissionDeniedError: Shared memory is not allowed here.
            ModelNotFoundError: There is no such region.
            InvalidInputError: The client set too few bytes aside, or not within the region, or shortened its file.
            NoRoomError: The file system of shared memory is full.
            InternalError: The system cannot write them.
        """
        region = self.within(name, offset, room)
        start, left = region.offset + offset, np.frombuffer(data, np.uint8).data
        if len(left) > room:
            raise InvalidInputError(
                f"the output takes {len(left)} bytes, and {room} of region '{name}' are for it"
            )
        _check_length(region, start + len(left))
        while left:
            try:
                count = os.pwrite(region.file, left, start)
            except OSError as error:
                raise _not_written(region, error) from error
            start, left = start + count, left[count:]

    def check_size(self, size: int) -> None:
        """Whether the inputs of one request, or its outputs, may take so many bytes here.

        Raises:
            TooLargeError: They may not.
        """
        if size > self._most:
            raise TooLargeError(
                f"the tensors of one request in shared memory take {size} bytes, and {self._most} is the most, "
                "as of a message; ask for less at once, or start the server with a larger --max-message-size"
            )

    def close(self) -> None:
        """Forget every region."""
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


def _check_length(region: Region, end: int) -> None:
    """Make sure that a region's file still has the bytes before ``end``."""
    if os.fstat(region.file).st_size < end:
        raise _shortened(region)


def _shortened(region: Region) -> InvalidInputError:
    return InvalidInputError(f"'{region.key}' was shortened after the region '{region.name}' was registered")


def _not_written(region: Region, error: OSError) -> NoRoomError | InternalError:
    if error.errno in NO_ROOM:
        return NoRoomError(
            f"the shared memory '{region.key}' has no room for the output: {error.strerror}; "
            "remove what fills it, or ask without shared_memory_region"
        )
    return InternalError(f"the shared memory '{region.key}' cannot be written")
