"""Confines the files of a model to the repository: symbolic links are followed and must end inside it.

Links are common: Kubernetes mounts files through them, and versions share files by them.
"""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository.files import regular_file

OUT = "is a link that leads out of the repository; put what it leads to inside"


def check_folder(folder: Path, root: Path) -> None:
    """Refuse a version whose folder is a link out of the repository, without reading it.

    Raises:
        ModelLoadError: It is.
    """
    if not is_inside(folder, root):
        raise ModelLoadError(f"its folder {OUT}")


def beside(model: Path, name: str, root: Path, largest: int | None = None) -> Path:
    """The file of that name in a model's folder.

    Args:
        model: The model's folder.
        name: The name of the file in its config.
        root: The repository.
        largest: Most bytes that it may have; None for any number.

    Raises:
        ModelLoadError: The name leads out of the folder, or it names no file, or one that is too large.
    """
    path = model / name
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise ModelLoadError(f"its config names the file '{name}', which is not in the model's folder")
    if not is_inside(path, root):
        raise ModelLoadError(f"'{name}' {OUT}")
    try:
        there = regular_file.is_there(path, largest)
    except ModelLoadError as error:
        raise ModelLoadError(f"its config names the file '{name}', and {error}") from error
    if not there:
        raise ModelLoadError(f"its config names the file '{name}', which is not there")
    return path


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path ends inside the repository when every link in it is followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False
