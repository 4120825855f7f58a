"""A version that is about to be loaded."""

from dataclasses import dataclass
from pathlib import Path

from serving.repository.config import ModelConfig
from serving.repository.snapshot import digest


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version as it lay in the repository when it was looked at.

    Attributes:
        name: The model's name.
        version: Its version.
        folder: The version's folder.
        root: The repository; nothing outside it is opened.
        config: What the owner decided.
        mark: The files of the version and of its config.
        again: Whether somebody wants it tried although it failed before and has not changed.
    """

    name: str
    version: int
    folder: Path
    root: Path
    config: ModelConfig
    mark: tuple[object, ...]
    again: bool = False

    @property
    def digest(self) -> str:
        """The same for two candidates only if their files and their configs are the same."""
        return digest(self.mark, self.config)
