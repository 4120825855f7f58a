"""Publishes finished artefacts: each is staged beside its place, then moved by one atomic step.

A run that fails changes nothing at the place, and its staging folder is removed.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from converter.errors import EnvironmentLacksError, UsageError
from converter.process.environment_errors import reporting_environment_errors
from converter.process.supervisor import supervisor
from converter.process.temporary_folder import locked_folder, remove_abandoned
from converter.process.termination import termination_deferred

_STAGE = ".plainserve-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


@contextlib.contextmanager
def staging(destination: Path) -> Iterator[Path]:
    """Make a hidden folder in the destination, removed at the end; a move out of it stays on one disk.

    Raises:
        UsageError: The destination, or something above it, is a file.
        EnvironmentLacksError: The destination cannot be made or written, or the disk is full.
    """
    with reporting_environment_errors(destination):
        try:
            made = _make_folders(destination)
        except (FileExistsError, NotADirectoryError):
            raise UsageError("is not a folder", where=str(destination)) from None
        except FileNotFoundError:  # as in /proc: its parent exists, but takes no folders
            raise EnvironmentLacksError(
                "no folder can be made here", where=str(destination), hint="Choose another place."
            ) from None
    try:
        with reporting_environment_errors(destination), locked_folder(destination, _STAGE) as stage:
            yield stage
    finally:
        _remove_empty(made)


@contextlib.contextmanager
def cleaned_up_after(destination: Path) -> Iterator[None]:
    """Remove what a child process staged in a destination, and the folders that it made, if it is killed."""
    missing = _missing(destination)
    try:
        yield
    finally:
        remove_abandoned(destination, _STAGE)
        _remove_empty(missing)


@contextlib.contextmanager
def moving() -> Iterator[list[Path]]:
    """Make the moves of one publication in this block: the supervisor permits them, and no signal comes between them.

    Call ``sync`` on everything before, so that the block takes only a moment.

    Yields:
        A list, to which the block appends the place of the published artefact.
    """
    controller, places = supervisor(), list[Path]()
    controller.moving()
    try:
        with termination_deferred():
            yield places
    finally:
        controller.moved(str(places[0]) if places else "")


def move(staged: Path, place: Path) -> None:
    """Move a staged file or folder to its place; what was there is replaced in one step."""
    if not staged.is_dir():
        if place.is_dir():
            raise EnvironmentLacksError("is a folder where a file is to go", where=str(place))
        staged.replace(place)
    elif place.is_dir():
        _exchange(staged, place)
    else:
        staged.rename(place)


def move_version(staged: Path, model: Path) -> Path:
    """Move a staged folder to the next free number in a model's folder, and return where it went.

    A new model's folder appears with the version in it.
    """
    if not model.exists():
        new = staged.with_name(f"{staged.name}.new")
        new.mkdir()
        staged.rename(new / "1")
        try:
            new.rename(model)
        except OSError as error:  # another process made it meanwhile
            if error.errno not in _TAKEN:
                raise
            staged = new / "1"
        else:
            return model / "1"
    while True:
        taken = [int(entry.name) for entry in model.iterdir() if entry.name.isdecimal()]
        place = model / str(max(taken, default=0) + 1)
        try:
            staged.rename(place)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return place


def sync(path: Path) -> None:
    """Flush a file, or all files of a folder, to the disk before they are moved to their place."""
    files = [entry for entry in path.rglob("*") if entry.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


def _make_folders(destination: Path) -> list[Path]:
    """Create the folder and its parents, and return the new ones, innermost first."""
    missing = _missing(destination)
    destination.mkdir(parents=True, exist_ok=True)
    return missing


def _missing(destination: Path) -> list[Path]:
    return [folder for folder in (destination, *destination.parents) if not folder.exists()]


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # not empty: something was published
            folder.rmdir()


def _exchange(staged: Path, place: Path) -> None:
    """Swap two folders in one step; where the system cannot, move the old one aside for a moment."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(staged), os.fsencode(place)
    if hasattr(libc, "renameat2"):
        if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
        if code not in {errno.ENOSYS, errno.EINVAL}:
            raise OSError(code, os.strerror(code), str(place))
    aside = staged.with_name(f"{staged.name}.old")
    place.rename(aside)
    try:
        staged.rename(place)
    except OSError:
        aside.rename(place)
        raise
