"""How the files of a model are looked at: links are followed, what lies outside of the repository is refused.

What is found is a mark, which differs when a file was replaced, or when a link leads elsewhere than before.
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
"""An entry's name, its size, its time and its identity; of a link also, as one more, where it ends."""

Fingerprint: TypeAlias = tuple[Mark, ...]

DEEPEST = 64
"""Folders within folders. Far more than any model has, and far less than what a path can name."""

MOST = 10_000
"""Entries of one version, or beside all of them, so that a link to a whole disk costs no more than a moment."""

_SHOWN = 100


def version(folder: Path, root: Path) -> Fingerprint:
    """Look at all that a version holds, at any depth and behind any link.

    Libraries open what lies beside a model by themselves: weights, variables, assets.

    Args:
        folder: The version's folder.
        root: The repository.

    Raises:
        ModelLoadError: A link leads out; something is neither a file nor a folder (opening a pipe would wait for
            ever), or cannot be looked at; or there is too much of it.
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
            # Once each: links may lead in circles.
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                waiting.append((f"{name}/", depth + 1))
    return tuple(marks)


def beside(model: Path) -> Fingerprint:
    """Look at what lies in a model's folder itself, beside its versions: its config, its labels.

    What of it the config does not name may be anything.

    Args:
        model: The model's folder.

    Raises:
        ModelLoadError: There is too much of it.
        OSError: The folder cannot be looked at.
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
    """What a folder below the version's holds, in order."""
    try:
        with os.scandir(folder / within) as entries:
            yield from sorted(entries, key=lambda each: each.name)
    except OSError as error:
        what = _short(within.rstrip("/")) or "its folder"
        raise ModelLoadError(f"{what} {fault(folder / within, error)}") from error


def _look(entry: "os.DirEntry[str]", name: str) -> os.stat_result | None:
    """What an entry is once links were followed; None if it leads nowhere or went meanwhile."""
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
        # What is in it is marked by itself.
        return (name, 0, 0, found.st_ino)
    return (name, found.st_size, found.st_mtime_ns, found.st_ino)


def _place(name: str, path: Path | str) -> Mark:
    return (f"{name} -> {os.path.realpath(path)}", 0, 0, 0)


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"...{name[-_SHOWN:]}"
