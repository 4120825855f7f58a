"""What some files say, read again when they change, while the server runs."""

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
"""Seconds between two looks at the files; a change is seen within that time of being asked for."""


class FileReloader(Generic[Content]):
    """The content of files that belong together. May be asked from any thread.

    A change that cannot be used leaves what was there; the log says why, once for each change.

    Args:
        paths: The files.
        read: Makes the content of them.

    Raises:
        CredentialsError: They cannot be used now, at the start.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[], Content]) -> None:
        self._paths = tuple(paths)
        self._read = read
        # Before reading: what changes meanwhile is then seen at the next look.
        self._mark = self._now()
        self._content = read()
        self._next = monotonic() + INTERVAL
        self._looking = Lock()

    def current(self) -> Content:
        """What the files said when they last could be used."""
        if monotonic() >= self._next and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._content

    def _look(self) -> None:
        self._next = monotonic() + INTERVAL
        mark = self._now()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._content = self._read()
        except CredentialsError as error:
            log.error("a change is not used, what was there before stays in force: %s", error)  # noqa: TRY400  the text is the reason
        else:
            log.warning("read again: %s", ", ".join(map(str, self._paths)))

    def _now(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_mark(path) for path in self._paths)


def warn_if_world_readable(path: Path, secret: str) -> None:
    """Tell the owner of a file that every user of the machine can read it.

    Args:
        path: The file, which is there.
        secret: What lies in it.
    """
    if path.stat().st_mode & stat.S_IROTH:
        log.warning("every user of this machine can read the %s in '%s'; run: chmod o-r", secret, path)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file, or the link that leads to it, is replaced; None if it is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116  of all that asks for it the cheapest
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
