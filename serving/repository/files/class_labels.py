"""The names of an output's classes, from a text file in the model's folder: one a line, the first for class 0."""

from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig
from serving.repository.files.confinement import beside

LARGEST = 64 << 20
"""Bytes of such a file that are read."""


def read(folder: Path, root: Path, config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """The labels of every output that has some.

    Args:
        folder: The model's folder.
        root: The repository; nothing outside it is opened.
        config: What the owner decided.

    Raises:
        ModelLoadError: A file is missing, unreadable, or outside the model's folder.
    """
    return {each.name: _lines(folder, root, each.labels) for each in config.outputs if each.labels}


def _lines(folder: Path, root: Path, name: str) -> tuple[str, ...]:
    path = beside(folder, name, root, LARGEST)
    try:
        return tuple(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelLoadError(f"its label file '{name}' cannot be read as UTF-8 text") from error
