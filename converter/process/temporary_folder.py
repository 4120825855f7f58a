"""Temporary folders that are removed however the process that made them ends.

Each contains a file that its process, or a child of it, keeps locked. The system releases the lock when the last of
them ends, in whatever way. So a folder whose lock can be taken is abandoned, and the next run removes it. Unlike a
process id, a lock is valid across containers and, where the file system supports locks, across machines; where it
does not, no lock can be taken, and the folder stays.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"
_NO_LINK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that is removed at the end; first remove those beside it that are abandoned.

    Args:
        parent: The folder to make it in.
        prefix: Start of its name, by which abandoned folders are recognised.

    Raises:
        OSError: The folder cannot be made.
    """
    remove_abandoned(parent, prefix)
    folder, lock = _claim(parent, prefix)
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders with this prefix whose processes have ended; the next run retries after an error."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if _is_ours(folder):
                _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, _NO_LINK)
    except FileNotFoundError:  # its process ended before it made the lock, or something else made the folder
        folder.rmdir()  # fails unless it is empty
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or the file system has no locks
        os.close(lock)
    else:
        _remove(folder, lock)


def _claim(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Until it is locked, another run may consider the folder abandoned and remove it.
        try:
            lock = os.open(folder / LOCK, _NO_LINK | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue
        except OSError:
            folder.rmdir()
            raise
        if _is_free(lock) and (folder / LOCK).exists():
            return folder, lock
        os.close(lock)


def _is_free(lock: int) -> bool:
    """Take a lock; False if another process has it. Where the file system has no locks, no process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, not a link, of this user: in /tmp, other users make folders too."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _remove(folder: Path, lock: int) -> None:
    """Remove the lock last: if this is interrupted, the next run finds the lock and continues."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != LOCK:
                entry.unlink()
        (folder / LOCK).unlink()
    os.close(lock)  # until it is closed, NFS keeps the file under another name
    with contextlib.suppress(OSError):
        folder.rmdir()
