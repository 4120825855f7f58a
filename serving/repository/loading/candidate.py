"""A candidate: a version that is about to be tried and loaded."""

from dataclasses import dataclass
from pathlib import Path

from serving.repository.config import ModelConfig
from serving.repository.snapshot import digest


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version as it was in the repository when it was scanned.

    Attributes:
        name: The model's name.
        version: Its version.
        folder: The version's folder.
        root: The repository; nothing outside it is opened.
        config: The config of the model.
        mark: The fingerprint of its files and of its config file.
        again: Whether to try it again although it failed before and has not changed.
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
        """A digest of its files and its config."""
        return digest(self.mark, self.config)
