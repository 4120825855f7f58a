"""Scans a repository folder, whose layout is ``<root>/<model>/<version>/<artefact>``.

Every folder in the root is a model, whether it can be served or not. Names that begin with a dot are ignored, because
publishers stage models there. So are names that are not UTF-8, since no request can name them. A version is a folder
whose name is a number; leading zeros are allowed, as in TensorFlow Serving. Links are followed if they end inside the
root.
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ModelLoadError, RepositoryError
from serving.repository.files.confinement import OUT, is_inside
from serving.repository.files.regular_file import LEADS_NOWHERE, fault, is_there
from serving.runtimes import ARTEFACTS

CONFIG = "config.pbtxt"

LARGEST_CONFIG = 1 << 20
"""Most bytes of a config."""

EXPECTED = f"a folder whose name is a number, such as 1, with one of {', '.join(ARTEFACTS)} in it"

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)

_FILE_SYSTEMS_OWN = "lost+found"
"""A folder at the root of a volume that the file system makes and that only root can read."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model on disk.

    Attributes:
        name: The folder's name, which is the model's.
        path: The folder.
        versions: The folder of each version.
        fault: Why the folder cannot be read; empty if it can.
    """

    name: str
    path: Path
    versions: dict[int, Path] = field(default_factory=dict)
    fault: str = ""


def scan(
    root: Path, *, may_be_empty: bool = False, left_out: Callable[[str], None] = lambda _name: None
) -> dict[str, ModelFolder]:
    """Every model in the repository, by name, in order.

    Args:
        root: The repository.
        may_be_empty: Whether models may be added later.
        left_out: Called with each folder that is left out because its name is not UTF-8.

    Raises:
        RepositoryError: The folder is missing, cannot be read, or holds no model with a version.
    """
    try:
        names = sorted(each.name for each in root.iterdir())
    except OSError as error:
        raise RepositoryError(f"cannot read the repository '{root}': {error.strerror}") from error
    models = {}
    for name in names:
        if name.startswith(".") or name == _FILE_SYSTEMS_OWN:
            continue
        folder = _model(root / name, root)
        if folder is not None and _is_text(name):
            models[name] = folder
        elif folder is not None:
            left_out(name)
    if not may_be_empty and not any(each.versions or each.fault for each in models.values()):
        raise RepositoryError(
            f"the repository '{root}' holds no model; "
            f"expected MODEL/VERSION/FILE in it, with a numeric version and one of {', '.join(ARTEFACTS)}"
        )
    return models


def without_version(model: Path) -> str:
    """What is wrong with a model's folder without a version: what it holds, and what was expected.

    Raises:
        OSError: It cannot be read.
    """
    names = sorted(each.name for each in model.iterdir() if not each.name.startswith("."))
    artefacts = [each for each in ARTEFACTS if each in names]
    if artefacts:
        return (
            f"it holds {artefacts[0]} itself and no version; "
            "move the model into a folder in it whose name is a number, such as 1"
        )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    there = ", ".join(f"'{each}'" for each in names[:_SHOWN]) or "nothing"
    return f"it holds {there}{more} and no version; expected {EXPECTED}"


def artefact(version: Path, name: str = "") -> Path:
    """The file or folder in a version's folder that a runtime opens.

    Args:
        version: The folder.
        name: Its name, if the config has one; without it, there must be exactly one artefact.

    Raises:
        ModelLoadError: There is none, or there are several, or it is a link to nothing.
    """
    if name:
        found = [version / name]
        if not os.path.lexists(found[0]):
            raise ModelLoadError(
                f"its default_model_filename calls the model's file '{name}', which is not there"
            )
    else:
        found = [version / each for each in ARTEFACTS if os.path.lexists(version / each)]
    if len(found) != 1:
        names = " and ".join(each.name for each in found)
        expected = f"expected one of {', '.join(ARTEFACTS)}"
        raise ModelLoadError(f"it holds {names}; {expected}" if found else f"it holds no model; {expected}")
    if not found[0].exists():
        raise ModelLoadError(f"{found[0].name} {LEADS_NOWHERE}")
    return found[0]


def config_text(model: Path, root: Path) -> str | None:
    """The text of a model's ``config.pbtxt``; None if there is none.

    Raises:
        ModelLoadError: It is no file, is too large, is not text, cannot be read, or lies outside the repository.
    """
    path = model / CONFIG
    if path.is_symlink() and not is_inside(path, root):
        raise ModelLoadError(f"{CONFIG} {OUT}")
    if not is_there(path, LARGEST_CONFIG):
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"{CONFIG} cannot be read as UTF-8 text") from error


def _model(path: Path, root: Path) -> ModelFolder | None:
    """The model folder at a path; None for a file."""
    try:
        if path.is_symlink() and not is_inside(path, root):
            return ModelFolder(path.name, path, fault=f"its folder {OUT}")
        if stat.S_ISDIR(path.stat().st_mode):
            return ModelFolder(path.name, path, _versions(path))
    except OSError as error:
        went = isinstance(error, FileNotFoundError) and not path.is_symlink()
        return None if went else ModelFolder(path.name, path, fault=f"its folder {fault(path, error)}")
    return None


def _versions(folder: Path) -> dict[int, Path]:
    with os.scandir(folder) as entries:
        found = sorted(each.name for each in entries if _VERSION.fullmatch(each.name) and not _is_file(each))
    return {int(name): folder / name for name in found}


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry is certainly a file. An entry that cannot be read counts as a version that has this fault."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_text(name: str) -> bool:
    """Whether a name can be in requests, answers and metrics."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
