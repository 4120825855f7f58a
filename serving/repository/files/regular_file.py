"""Checks for an optional file of a model. Something else of that name is an error, not an absent file."""

import stat
from pathlib import Path

from serving.errors import ModelLoadError

LEADS_NOWHERE = "is a link that leads nowhere"

KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def fault(path: Path, error: OSError) -> str:
    """What is wrong with an entry that cannot be read, as words that follow its name."""
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return LEADS_NOWHERE
    return f"cannot be looked at: {error.strerror}"


def is_there(path: Path, largest: int | None = None) -> bool:
    """Whether there is a file, or a link to one. Nothing is opened, because opening a pipe would block.

    Args:
        path: Where it may be.
        largest: Most bytes that it may have; None for any number.

    Raises:
        ModelLoadError: The entry is not a file, cannot be read, or is too large; the text has its name.
    """
    try:
        found = path.stat()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return False
        raise ModelLoadError(f"{path.name} {fault(path, error)}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "a device")
        raise ModelLoadError(f"{path.name} is {kind}; it must be a file")
    if largest is not None and found.st_size > largest:
        raise ModelLoadError(f"{path.name} is larger than {largest >> 20} MiB")
    return True
