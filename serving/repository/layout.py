"""What lies in a repository folder: ``<root>/<model>/<version>/<artefact>``.

Names that begin with a dot are not looked at: publishers stage there. A version is a folder whose name is a
number; TensorFlow Serving's habit of leading zeros is understood. Links are followed as long as they end
within the root.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ModelLoadError, RepositoryError
from serving.runtimes import ARTEFACTS

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model on disk.

    Attributes:
        name: The folder's name, which is the model's.
        versions: The folder of each version.
    """

    name: str
    versions: dict[int, Path]


def scan(root: Path) -> dict[str, ModelFolder]:
    """Every model in the repository, by name, in order.

    Raises:
        RepositoryError: The folder is missing, cannot be read, or holds no model.
    """
    try:
        folders = sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
        models = {each.name: ModelFolder(each.name, _versions(each)) for each in folders}
    except OSError as error:
        raise RepositoryError(f"cannot read the repository '{root}': {error.strerror}") from error
    models = {name: folder for name, folder in models.items() if folder.versions}
    if not models:
        raise RepositoryError(
            f"the repository '{root}' holds no model; "
            f"expected MODEL/VERSION/FILE in it, with a numeric version and one of {', '.join(ARTEFACTS)}"
        )
    return models


def artefact(version: Path, root: Path) -> Path:
    """The one file or folder in a version's folder that a runtime opens.

    Raises:
        ModelLoadError: There is none, there are several, or a link leads out of the repository.
    """
    found = [version / name for name in ARTEFACTS if (version / name).exists()]
    if len(found) != 1:
        names = " and ".join(each.name for each in found)
        expected = f"expected one of {', '.join(ARTEFACTS)}"
        raise ModelLoadError(f"it holds {names}; {expected}" if found else f"it holds no model; {expected}")
    if not found[0].resolve().is_relative_to(root.resolve()):
        raise ModelLoadError(f"{found[0].name} is a link that leads out of the repository")
    return found[0]


def _versions(folder: Path) -> dict[int, Path]:
    numbered = (each for each in folder.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir())
    return {int(each.name): each for each in sorted(numbered)}
