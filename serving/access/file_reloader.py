"""Keeps the content of files in memory, and reads them again when they change."""

import logging
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

from serving.errors import CredentialsError

Content = TypeVar("Content")

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two checks of the files. They are checked when the content is requested."""


class FileReloader(Generic[Content]):
    """The content of files that belong together. Thread-safe.

    If changed files cannot be used, the previous content stays, and the reason is logged once for each change.

    Args:
        paths: The files.
        read: Reads the files and returns their content. Raises CredentialsError if they cannot be used.

    Raises:
        CredentialsError: The files cannot be used at the start.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], Content]) -> None:
        self._paths = tuple(paths)
        self._read = read
        # Taken before reading, so that a change during reading is noticed at the next check.
        self._fingerprint = self._current_fingerprint()
        self._content = read()
        self._next_check = monotonic() + INTERVAL
        self._checking = Lock()

    def current(self) -> Content:
        """The content as of the last time that the files could be used."""
        if monotonic() >= self._next_check and self._checking.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._checking.release()
        return self._content

    def _check(self) -> None:
        self._next_check = monotonic() + INTERVAL
        fingerprint = self._current_fingerprint()
        if fingerprint == self._fingerprint:
            return
        self._fingerprint = fingerprint
        try:
            self._content = self._read()
        except CredentialsError as error:
            log.error("a change is not used, what was there before stays in force: %s", error)  # noqa: TRY400  the text is the reason
        else:
            log.warning("read again: %s", ", ".join(map(str, self._paths)))

    def _current_fingerprint(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_fingerprint_of(path) for path in self._paths)


def warn_if_world_readable(path: Path, secret: str) -> None:
    """Log a warning if every user of the machine can read a file.

    Args:
        path: The file, which exists.
        secret: What the file contains.
    """
    if path.stat().st_mode & stat.S_IROTH:
        log.warning("every user of this machine can read the %s in '%s'; run: chmod o-r", secret, path)


def _fingerprint_of(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file, or the link to it, is replaced; None if it is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116  the cheapest call for it
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
