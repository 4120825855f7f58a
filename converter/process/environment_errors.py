"""Recognises exceptions that the environment caused: a missing package or permission, no memory or disk space."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from converter.errors import ConversionError, EnvironmentLacksError

_FULL = "Free some space there, or where temporary files go (TMPDIR), or choose another place."
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
_NO_PROCESS = "Raise the limit: ulimit -u or -v, or those of the container."
# Libraries that do not pass errno on put the reason in the text.
_MEMORY_WORDS = re.compile(
    r"cannot allocate memory|bad_alloc|bad allocation|failed to allocate memory|OOM when allocating"
    r"|failed to map segment",
    re.IGNORECASE,
)
_PROCESS_WORDS = re.compile(r"can't start new thread|Resource temporarily unavailable")
_FILES_WORDS = os.strerror(errno.EMFILE)
_DISK_WORDS = {os.strerror(code): code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)}


def as_environment_error(error: BaseException, where: str = "") -> EnvironmentLacksError | None:
    """Translate an exception that was caused by the environment.

    Args:
        error: The exception. A ``ConversionError`` counts if its cause is a lack of memory, threads or disk space:
            exporters report every exception of a library as an unsupported model.
        where: The path that was being written, if any.

    Returns:
        The error to report; None if the environment is not the cause.
    """
    if isinstance(error, EnvironmentLacksError):
        return error
    first = error
    while isinstance(first, ConversionError) and first.__cause__:
        first = first.__cause__
    code = first.errno if isinstance(first, OSError) else None
    if isinstance(first, MemoryError) or code == errno.ENOMEM or _MEMORY_WORDS.search(str(first)):
        return EnvironmentLacksError("needs more memory than there is", hint=_NO_MEMORY)
    if code == errno.EAGAIN or _PROCESS_WORDS.search(str(first)):
        return EnvironmentLacksError("no process or thread can be started", hint=_NO_PROCESS)
    if code in {errno.EMFILE, errno.ENFILE} or _FILES_WORDS in str(first):
        return EnvironmentLacksError(
            "needs more open files than it may have", hint="Raise the limit: ulimit -n."
        )
    if isinstance(error, ImportError):
        return _package(error)
    full = next((code for words, code in _DISK_WORDS.items() if words in str(first)), None)
    code = full or (code if first is error and code in _UNWRITABLE else None)
    return _unwritable(code, where or str(getattr(error, "filename", None) or "")) if code else None


@contextlib.contextmanager
def reporting_environment_errors(place: Path) -> Iterator[None]:
    """Report a full disk, a missing permission and the like as one clear error.

    Args:
        place: What the block writes, for the error.

    Raises:
        EnvironmentLacksError: The block failed for such a reason.
    """
    try:
        yield
    except Exception as error:
        found = as_environment_error(error, str(place))
        if found is None or found is error:
            raise
        raise found from error


def _unwritable(code: int, where: str) -> EnvironmentLacksError:
    return EnvironmentLacksError(f"cannot write: {os.strerror(code)}", where=where, hint=_UNWRITABLE[code])


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
