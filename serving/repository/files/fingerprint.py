"""Fingerprints the files of a model, without opening them, to notice changes.

Links are followed, and files outside the repository are refused. A fingerprint differs when a file was replaced, or
when a link leads to another file than before.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from serving.errors import ModelLoadError
from serving.repository.files.confinement import OUT, check_folder, is_inside
from serving.repository.files.regular_file import fault

Mark: TypeAlias = tuple[str, int, int, int]
"""The name, size, modification time and inode of an entry. A link has a second mark, which says where it ends."""

Fingerprint: TypeAlias = tuple[Mark, ...]

DEEPEST = 64
"""Most levels of folders. Far more than any model has, and far fewer than a path can have."""

MOST = 10_000
"""Most entries of a version, or of a model's folder, so that a link to a whole disk does not take long."""

_SHOWN = 100


def version(folder: Path, root: Path) -> Fingerprint:
    """The fingerprint of a version: everything in its folder, at any depth and behind any link.

    Everything counts, because libraries open files beside a model by themselves: weights, variables, assets.

    Args:
        folder: The version's folder.
        root: The repository.

    Raises:
        ModelLoadError: A link leads out of the repository; an entry is neither a file nor a folder (opening a pipe
            would block for ever), or cannot be read; or there are too many entries.
    """
    check_folder(folder, root)
    marks = [_place("", folder)]
    seen: set[tuple[int, int]] = set()
    waiting = [("", 0)]
    while waiting:
        within, depth = waiting.pop()
        for entry in _entries(folder, within):
            name = f"{within}{entry.name}"
            if entry.is_symlink():
                if not is_inside(Path(entry.path), root):
                    raise ModelLoadError(f"{_short(name)} {OUT}")
                marks.append(_place(name, entry.path))
            found = _look(entry, name)
            marks.append(_mark(name, found))
            if len(marks) > MOST:
                raise ModelLoadError(f"it holds more than {MOST} files and folders; a version is one model")
            if found is None or stat.S_ISREG(found.st_mode):
                continue
            if not stat.S_ISDIR(found.st_mode):
                raise ModelLoadError(f"{_short(name)} is neither a file nor a folder")
            if depth == DEEPEST:
                raise ModelLoadError(f"its folders are nested deeper than {DEEPEST}: {_short(name)}")
            # Each folder once, since links may form a loop.
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                waiting.append((f"{name}/", depth + 1))
    return tuple(marks)


def beside(model: Path) -> Fingerprint:
    """The fingerprint of the files in a model's folder, beside its versions: its config, its labels.

    Files that the config does not name may be of any kind.

    Args:
        model: The model's folder.

    Raises:
        ModelLoadError: There are too many entries.
        OSError: The folder cannot be read.
    """
    marks = [_place("", model)]
    with os.scandir(model) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            try:
                found = entry.stat()
            except OSError:
                marks.append(_mark(entry.name, None))
            else:
                if stat.S_ISDIR(found.st_mode):
                    continue
                marks.append(_mark(entry.name, found))
            if entry.is_symlink():
                marks.append(_place(entry.name, entry.path))
            if len(marks) > MOST:
                raise ModelLoadError(
                    f"its folder holds more than {MOST} files; keep only what its config names"
                )
    return tuple(marks)


def _entries(folder: Path, within: str) -> Iterator["os.DirEntry[str]"]:
    """The entries of a folder, in order."""
    try:
        with os.scandir(folder / within) as entries:
            yield from sorted(entries, key=lambda each: each.name)
    except OSError as error:
        what = _short(within.rstrip("/")) or "its folder"
        raise ModelLoadError(f"{what} {fault(folder / within, error)}") from error


def _look(entry: "os.DirEntry[str]", name: str) -> os.stat_result | None:
    """The status of an entry, with links followed; None if it leads nowhere or is gone."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelLoadError(f"{_short(name)} {fault(Path(entry.path), error)}") from error


def _mark(name: str, found: os.stat_result | None) -> Mark:
    if found is None:
        return (name, 0, 0, 0)
    if stat.S_ISDIR(found.st_mode):
        # Its entries have marks of their own.
        return (name, 0, 0, found.st_ino)
    return (name, found.st_size, found.st_mtime_ns, found.st_ino)


def _place(name: str, path: Path | str) -> Mark:
    return (f"{name} -> {os.path.realpath(path)}", 0, 0, 0)


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"...{name[-_SHOWN:]}"
