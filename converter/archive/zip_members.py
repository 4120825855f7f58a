"""Members of an untrusted zip archive: all are checked before any is opened, and none is extracted."""

import io
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from converter.archive.budget import Budget
from converter.errors import UnsafeFileError

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_CHUNK = 2**20


def check_members(archive: zipfile.ZipFile, name: str, budget: Budget) -> dict[str, zipfile.ZipInfo]:
    """Check every entry and return them by name.

    Raises:
        UnsafeFileError: An entry is absolute, leaves the archive, is a link, is encrypted, appears twice,
            uses an unknown compression, or unpacks to more than the budget allows.
    """
    entries = archive.infolist()
    if len(entries) > budget.members:
        raise UnsafeFileError(f"holds more than {budget.members:,} members", where=name)
    found: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for entry in entries:
        where = f"{name}: member {entry.filename!r}"
        _check_entry(entry, where, budget)
        if entry.filename in found:
            raise UnsafeFileError("appears twice", where=where)
        found[entry.filename] = entry
        total += entry.file_size
    if total > budget.total_bytes:
        raise UnsafeFileError(f"unpacks to {total:,} bytes, more than {budget.total_bytes:,}", where=name)
    return found


def _check_entry(entry: zipfile.ZipInfo, where: str, budget: Budget) -> None:
    path = PurePosixPath(entry.orig_filename.replace("\\", "/"))
    if path.is_absolute() or entry.orig_filename[1:2] == ":":
        raise UnsafeFileError("has an absolute path", where=where)
    if ".." in path.parts:
        raise UnsafeFileError("leaves the archive ('..' in its path)", where=where)
    if "\0" in entry.orig_filename:
        raise UnsafeFileError("has a NUL byte in its name", where=where)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeFileError("is a link", where=where)
    if entry.flag_bits & 0x1:
        raise UnsafeFileError("is encrypted", where=where)
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise UnsafeFileError(f"uses compression method {entry.compress_type}", where=where)
    if entry.file_size > budget.member_bytes:
        raise UnsafeFileError(
            f"unpacks to {entry.file_size:,} bytes, more than {budget.member_bytes:,}", where=where
        )
    if entry.file_size > budget.ratio * max(entry.compress_size, 1):
        raise UnsafeFileError(
            f"unpacks to over {budget.ratio} times its size, as a zip bomb does", where=where
        )


def read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of one member, its checksum verified.

    Raises:
        UnsafeFileError: It is damaged, or holds more than it declares.
    """
    try:
        with archive.open(entry) as stream:
            data = stream.read(entry.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise UnsafeFileError(f"is damaged ({error})", where=f"{name}: {entry.filename}") from None
    if len(data) != entry.file_size:
        raise UnsafeFileError(
            "is damaged (its size is not what it declares)", where=f"{name}: {entry.filename}"
        )
    return data


def open_member(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> BinaryIO:
    """A seekable view of one member.

    A stored member is read in place, so a large model costs nothing until its numbers are wanted. A
    compressed one is unpacked to an unnamed temporary file, never beyond its declared size.

    Raises:
        UnsafeFileError: It is damaged, or its headers contradict each other.
    """
    where = f"{name}: {entry.filename}"
    if entry.compress_type == zipfile.ZIP_STORED:
        return _stored(path, entry, where)
    spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    try:
        with archive.open(entry) as stream:
            left = entry.file_size
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise UnsafeFileError("unpacks to more than it declares", where=where)
                spool.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        spool.close()
        raise UnsafeFileError(f"is damaged ({error})", where=where) from None
    spool.seek(0)
    return spool


def check_stored_member(stream: BinaryIO, entry: zipfile.ZipInfo, name: str) -> None:
    """Verify the checksum of a stored member that was opened in place.

    Raises:
        UnsafeFileError: The bytes are not those that were written.
    """
    stream.seek(0)
    checksum = 0
    while chunk := stream.read(_CHUNK):
        checksum = zlib.crc32(chunk, checksum)
    stream.seek(0)
    if checksum != entry.CRC:
        raise UnsafeFileError("is damaged (its checksum does not match)", where=f"{name}: {entry.filename}")


def _stored(path: Path, entry: zipfile.ZipInfo, where: str) -> BinaryIO:
    file = path.open("rb")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        file.close()
        raise UnsafeFileError("is damaged (no header where the archive says)", where=where)
    _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if start + entry.file_size > path.stat().st_size or entry.compress_size != entry.file_size:
        file.close()
        raise UnsafeFileError("is damaged (it is longer than the archive)", where=where)
    return io.BufferedReader(_Slice(file, start, entry.file_size))


class _Slice(io.RawIOBase):
    """Part of a file, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), max(0, self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
