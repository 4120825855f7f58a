"""What lies in a repository folder: ``<root>/<model>/<version>/<artefact>``.

Names that begin with a dot are not looked at: publishers stage there. A name that is not UTF-8 nobody can ask for. A
version is a folder whose name is a number; TensorFlow Serving's habit of leading zeros is understood. Links are
followed as long as they end within the root.
"""

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from serving.errors import ModelLoadError, RepositoryError
from serving.repository.confinement import OUT, is_inside
from serving.runtimes import ARTEFACTS

CONFIG = "config.pbtxt"

Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model on disk.

    Attributes:
        name: The folder's name, which is the model's.
        path: The folder.
        versions: The folder of each version.
    """

    name: str
    path: Path
    versions: dict[int, Path]


def scan(
    root: Path, *, may_be_empty: bool = False, left_out: Callable[[str], None] = lambda _name: None
) -> dict[str, ModelFolder]:
    """Every model in the repository, by name, in order.

    Args:
        root: The repository.
        may_be_empty: Whether models may come later.
        left_out: Told of each folder that is left out because its name is not UTF-8.

    Raises:
        RepositoryError: The folder is missing, cannot be read, or holds no model.
    """
    try:
        found = (each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
        models = {}
        for folder in sorted(found):
            if _is_text(folder.name):
                models[folder.name] = ModelFolder(folder.name, folder, _versions(folder))
            else:
                left_out(folder.name)
    except OSError as error:
        raise RepositoryError(f"cannot read the repository '{root}': {error.strerror}") from error
    models = {name: folder for name, folder in models.items() if folder.versions}
    if not models and not may_be_empty:
        raise RepositoryError(
            f"the repository '{root}' holds no model; "
            f"expected MODEL/VERSION/FILE in it, with a numeric version and one of {', '.join(ARTEFACTS)}"
        )
    return models


def artefact(version: Path, name: str = "") -> Path:
    """The file or folder in a version's folder that a runtime opens.

    Args:
        version: The folder.
        name: What it is called, where its owner says so; else there must be one only.

    Raises:
        ModelLoadError: There is none, or there are several.
    """
    if name:
        if not (version / name).exists():
            raise ModelLoadError(
                f"its default_model_filename calls the model's file '{name}', which is not there"
            )
        return version / name
    found = [version / name for name in ARTEFACTS if (version / name).exists()]
    if len(found) != 1:
        names = " and ".join(each.name for each in found)
        expected = f"expected one of {', '.join(ARTEFACTS)}"
        raise ModelLoadError(f"it holds {names}; {expected}" if found else f"it holds no model; {expected}")
    return found[0]


def config_text(model: Path, root: Path) -> str | None:
    """What the owner of a model decided, as text; None without a ``config.pbtxt``.

    Raises:
        ModelLoadError: It is not text, cannot be read, or lies outside the repository.
    """
    path = model / CONFIG
    try:
        if not path.is_file():
            return None
        if not is_inside(path, root):
            raise ModelLoadError(f"{CONFIG} {OUT}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"{CONFIG} cannot be read as UTF-8 text") from error


def fingerprint(*paths: Path) -> Fingerprint:
    """What changes when a file below any of the paths does: names, sizes, times and identities."""
    files = (each for path in paths for each in (sorted(path.rglob("*")) if path.is_dir() else [path]))
    marks = []
    for file in files:
        try:
            found = file.stat()
        except OSError:
            # It vanished meanwhile, or was never there; either shows when it changes.
            marks.append((str(file), 0, 0, 0))
        else:
            if not stat.S_ISDIR(found.st_mode):
                marks.append((str(file), found.st_size, found.st_mtime_ns, found.st_ino))
    return tuple(marks)


def _is_text(name: str) -> bool:
    """Whether requests can say a name, and answers and metrics can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _versions(folder: Path) -> dict[int, Path]:
    numbered = (each for each in folder.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir())
    return {int(each.name): each for each in sorted(numbered)}
