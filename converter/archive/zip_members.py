"""Reads the members of an untrusted zip archive: all are checked before any is opened, and none is extracted."""

import io
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from converter.archive.budget import Budget
from converter.archive.file_window import Window
from converter.errors import UnsafeFileError

# Signature, version, flags, method, time, date, CRC, packed size, size, length of the name and of the extra.
_LOCAL_HEADER = struct.Struct("<4s2xHH4x4xIIHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED, _SIZES_FOLLOW = 0x1, 0x8
_IN_EXTRA = 0xFFFFFFFF
_CHUNK = 2**20


def open_zip(window: Window, name: str, budget: Budget) -> zipfile.ZipFile:
    """Read an archive's directory.

    Raises:
        UnsafeFileError: It is damaged or truncated, or the directory is larger than allowed.
    """
    window.largest_read = budget.directory_bytes
    try:
        return zipfile.ZipFile(window)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise UnsafeFileError(
            f"is a damaged or truncated archive ({error})", where=name, hint="Copy or save the model again."
        ) from None
    finally:
        window.largest_read = None


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
        _check_path(entry, where)
        _check_entry(entry, where, budget)
        if entry.filename in found:
            raise UnsafeFileError("appears twice", where=where)
        found[entry.filename] = entry
        total += entry.file_size
    if total > budget.total_bytes:
        raise UnsafeFileError(f"unpacks to {total:,} bytes, more than {budget.total_bytes:,}", where=name)
    return found


def _check_path(entry: zipfile.ZipInfo, where: str) -> None:
    path = PurePosixPath(entry.orig_filename.replace("\\", "/"))
    if path.is_absolute() or entry.orig_filename[1:2] == ":":
        raise UnsafeFileError("has an absolute path", where=where)
    if ".." in path.parts:
        raise UnsafeFileError("leaves the archive ('..' in its path)", where=where)
    if "\0" in entry.orig_filename:
        raise UnsafeFileError("has a NUL byte in its name", where=where)


def _check_entry(entry: zipfile.ZipInfo, where: str, budget: Budget) -> None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeFileError("is a link", where=where)
    if entry.flag_bits & _ENCRYPTED:
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


def read_member(archive: zipfile.ZipFile, window: Window, entry: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of one small member, its checksum verified.

    Raises:
        UnsafeFileError: It is damaged, or holds more than it declares.
    """
    where = f"{name}: {entry.filename}"
    _data_start(window, entry, where)
    data = bytearray()
    for chunk in _unpacked(archive, entry, where):
        data += chunk
    return bytes(data)


def open_member(archive: zipfile.ZipFile, window: Window, entry: zipfile.ZipInfo, name: str) -> Window:
    """A window on one member.

    A stored member is read in place, so a large model takes no memory until its numbers are read. A
    compressed one is unpacked to an unnamed temporary file, never beyond its declared size; the file is
    closed with the window.

    Raises:
        UnsafeFileError: It is damaged, or its headers contradict each other.
    """
    where = f"{name}: {entry.filename}"
    start = _data_start(window, entry, where)
    if entry.compress_type == zipfile.ZIP_STORED:
        if entry.compress_size != entry.file_size or start + entry.file_size > window.size:
            raise UnsafeFileError("is damaged (it is longer than the archive)", where=where)
        return window.part(start, entry.file_size)
    spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  the window closes it
    try:
        spool.writelines(_unpacked(archive, entry, where))
        spool.flush()
    except BaseException:
        spool.close()
        raise
    return Window(spool.fileno(), owned=spool)


def check_stored_member(stream: io.RawIOBase, entry: zipfile.ZipInfo, name: str) -> None:
    """Verify the checksum of a member that was opened in place.

    Raises:
        UnsafeFileError: The bytes are not those that were written.
    """
    stream.seek(0)
    checksum = 0
    while chunk := stream.read(_CHUNK):
        checksum = zlib.crc32(chunk, checksum)
    if checksum != entry.CRC:
        raise UnsafeFileError("is damaged (its checksum does not match)", where=f"{name}: {entry.filename}")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
    left = entry.file_size
    try:
        with archive.open(entry) as stream:
            while chunk := stream.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise UnsafeFileError("unpacks to more than it declares", where=where)
                yield chunk
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, ValueError) as error:
        raise UnsafeFileError(f"is damaged ({error})", where=where) from None
    if left:
        raise UnsafeFileError("unpacks to less than it declares", where=where)


def _data_start(window: Window, entry: zipfile.ZipInfo, where: str) -> int:
    """The position of a member's bytes; its local header must agree with the archive's directory."""
    if entry.header_offset < 0:
        raise UnsafeFileError("is damaged (it begins before the archive)", where=where)
    window.seek(entry.header_offset)
    header = window.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_SIGNATURE):
        raise UnsafeFileError("is damaged (no header where the archive says)", where=where)
    fields: tuple[bytes, int, int, int, int, int, int] = _LOCAL_HEADER.unpack(header)
    _, flags, method, packed, size, name_length, extra_length = fields
    named = window.read(name_length)
    agree = method == entry.compress_type and not flags & _ENCRYPTED
    agree &= named.decode("utf-8" if flags & 0x800 else "cp437", "replace") == entry.orig_filename
    if not flags & _SIZES_FOLLOW:
        agree &= packed in {entry.compress_size, _IN_EXTRA} and size in {entry.file_size, _IN_EXTRA}
    if not agree:
        raise UnsafeFileError("its header contradicts the archive's directory", where=where)
    return entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
