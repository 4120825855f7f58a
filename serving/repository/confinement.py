"""What a model brings stays within the repository: links are followed, and end inside of it.

Links are common: Kubernetes mounts everything through them, and people share one file between versions.
"""

from pathlib import Path

from serving.errors import ModelLoadError

OUT = "is a link that leads out of the repository; put what it leads to inside"


def check_folder(folder: Path, root: Path) -> None:
    """Refuse a version whose own folder lies elsewhere; nothing in it is looked at.

    Raises:
        ModelLoadError: It does.
    """
    if not is_inside(folder, root):
        raise ModelLoadError(f"its folder {OUT}")


def check_content(folder: Path, root: Path) -> None:
    """Refuse a version that holds, at any depth and behind any link, something that is not its repository's.

    Libraries open what lies beside a model by themselves: weights, variables, assets.

    Args:
        folder: The version's folder.
        root: The repository.

    Raises:
        ModelLoadError: A link leads out, or something is neither a file nor a folder: opening a pipe would wait for
            ever.
    """
    check_folder(folder, root)
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        for each in sorted(waiting.pop().iterdir()):
            if not is_inside(each, root):
                raise ModelLoadError(f"{each.relative_to(folder)} {OUT}")
            if each.is_dir():
                place = each.resolve()
                if place not in seen:
                    seen.add(place)
                    waiting.append(each)
            elif each.exists() and not each.is_file():
                raise ModelLoadError(f"{each.relative_to(folder)} is neither a file nor a folder")


def beside(model: Path, name: str, root: Path) -> Path:
    """The file of that name in a model's folder.

    Args:
        model: The model's folder.
        name: What its config calls the file.
        root: The repository.

    Raises:
        ModelLoadError: The name leads elsewhere, or there is no such file.
    """
    path = model / name
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise ModelLoadError(f"its config names the file '{name}', which is not in the model's folder")
    if not is_inside(path, root):
        raise ModelLoadError(f"'{name}' {OUT}")
    if not path.is_file():
        raise ModelLoadError(f"its config names the file '{name}', which is not there")
    return path


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path ends within the repository once every link in it was followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links that lead to each other
        return False
