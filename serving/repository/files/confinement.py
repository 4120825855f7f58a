"""What a model brings stays within the repository: links are followed, and end inside of it.

Links are common: Kubernetes mounts everything through them, and people share one file between versions.
"""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository.files import regular_file

OUT = "is a link that leads out of the repository; put what it leads to inside"


def check_folder(folder: Path, root: Path) -> None:
    """Refuse a version whose own folder lies elsewhere; nothing in it is looked at.

    Raises:
        ModelLoadError: It does.
    """
    if not is_inside(folder, root):
        raise ModelLoadError(f"its folder {OUT}")


def beside(model: Path, name: str, root: Path, largest: int | None = None) -> Path:
    """The file of that name in a model's folder.

    Args:
        model: The model's folder.
        name: What its config calls the file.
        root: The repository.
        largest: Most bytes that it may have; None for any number.

    Raises:
        ModelLoadError: The name leads elsewhere, there is no such file, it is none, or it is too large.
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
    """Whether a path ends within the repository once every link in it was followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links that lead to each other
        return False
