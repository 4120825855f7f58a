"""What the machine lacks, told from an exception of Python or of a library: a package, memory, disk, a permission."""

import errno
import os
import re

from converter.errors import ConversionError, EnvironmentLacksError

_FULL = "Free some space, or choose another place."
_CLOSED = "Make it writable, or choose another place."
_UNWRITABLE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _CLOSED,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EBADF: _CLOSED,
    errno.EIO: "The disk or the terminal is gone.",
}
_NO_MEMORY = "Free some, or raise its limit: ulimit -v, or that of the container."
_NO_PROCESS = "Raise their limit: ulimit -u, or that of the container."
# Libraries that know no errno say it in words.
_MEMORY_WORDS = re.compile(
    r"cannot allocate memory|bad_alloc|bad allocation|failed to allocate memory|OOM when allocating",
    re.IGNORECASE,
)
_PROCESS_WORDS = "can't start new thread"
_DISK_WORDS = {os.strerror(code): code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)}


def lack(error: BaseException, where: str = "") -> EnvironmentLacksError | None:
    """The lack that an exception tells of.

    Args:
        error: What was raised. An error of ours tells of a lack of memory if it was raised from one that does.
        where: The place that was being written, if one was.

    Returns:
        The error to report; None where the exception tells of no lack.
    """
    if isinstance(error, EnvironmentLacksError):
        return error
    if _is_memory(error):
        return EnvironmentLacksError("needs more memory than there is", hint=_NO_MEMORY)
    if isinstance(error, ConversionError):
        return None
    if isinstance(error, ImportError):
        return _package(error)
    if getattr(error, "errno", None) == errno.EAGAIN or _PROCESS_WORDS in str(error):
        return EnvironmentLacksError("no process or thread can be started", hint=_NO_PROCESS)
    return _unwritable(error, where)


def no_temporary_folder(error: FileNotFoundError, where: str) -> EnvironmentLacksError:
    """What ``tempfile`` means by this error: it tried the usual places, and could write in none."""
    tried = ", ".join(dict.fromkeys(re.findall(r"'([^']*)'", str(error))))
    return EnvironmentLacksError(
        f"no folder for temporary files can be written: {tried}",
        where=where,
        hint="Set TMPDIR to one that can.",
    )


def _unwritable(error: BaseException, where: str) -> EnvironmentLacksError | None:
    code = error.errno if isinstance(error, OSError) else None
    if code not in _UNWRITABLE:
        code = next((code for words, code in _DISK_WORDS.items() if words in str(error)), None)
    if code is None:
        return None
    # Nothing else tells whether a right to read or to write is missing.
    writing = where or code in _DISK_WORDS.values()
    return EnvironmentLacksError(
        f"cannot write: {os.strerror(code)}" if writing else os.strerror(code),
        where=where or str(getattr(error, "filename", None) or ""),
        hint=_UNWRITABLE[code] if writing else "",
    )


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, ConversionError):
        return error.__cause__ is not None and _is_memory(error.__cause__)
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return bool(_MEMORY_WORDS.search(str(error)))


def _package(error: ImportError) -> EnvironmentLacksError | None:
    first = error
    while isinstance(first.__context__, ImportError):  # TensorFlow wraps its reason in a page of text
        first = first.__context__
    name = first.name or ""
    if name.partition(".")[0] == "converter":
        return None
    if isinstance(first, ModuleNotFoundError) and "." not in name:
        return EnvironmentLacksError(
            f"needs the package {name}, which is not installed",
            hint="Install it: pip install 'plainserve[converter]'",
        )
    reason = str(first).strip().splitlines() or [type(first).__name__]
    return EnvironmentLacksError(
        f"cannot import {name or 'a library'}: {reason[-1]}",
        hint="Repair the installation: pip install --force-reinstall 'plainserve[converter]'",
    )
