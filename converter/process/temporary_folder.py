"""Hidden and temporary folders that are removed whatever becomes of the process that made them.

Each holds a file that its process, or a child of it, keeps locked. The system drops the lock when the last of them
is gone, however it went. So a folder whose lock can be taken belongs to nobody, and the next run removes it. Unlike
the number of a process, a lock means the same to every container and, where the file system carries locks, to every
machine; where it does not, no lock can be taken, and the folder stays.
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
def claimed_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end; those that ended processes left beside it are removed first.

    Args:
        parent: The folder to make it in.
        prefix: Starts its name, and tells which folders beside it are of our making.

    Raises:
        OSError: It cannot be made.
    """
    remove_abandoned(parent, prefix)
    folder, lock = _claim(parent, prefix)
    try:
        yield folder
    finally:
        _remove(folder, lock)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders of this prefix whose processes have ended; errors are left to the next run."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if _is_ours(folder):
                _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / LOCK, _NO_LINK)
    except FileNotFoundError:  # its process ended before it made the lock, or it is not of this make
        folder.rmdir()  # which fails if anything is in it
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody works in it, or nobody can tell
        os.close(lock)
    else:
        _remove(folder, lock)


def _claim(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Until it is locked, another run may take the folder for an abandoned one and remove it.
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
    """Take a lock; False if another process has it. Where the file system has no locks, no other can take it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, no link, of this user: in /tmp, others make folders too."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _remove(folder: Path, lock: int) -> None:
    """The lock goes last: if this is cut short, the next run finds it and goes on."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != LOCK:
                entry.unlink()
        (folder / LOCK).unlink()
    os.close(lock)  # until then, NFS keeps the file under another name
    with contextlib.suppress(OSError):
        folder.rmdir()
