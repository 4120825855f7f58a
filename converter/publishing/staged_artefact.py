"""An artefact that is not published yet."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StagedArtefact:
    """An artefact that is not published yet.

    Attributes:
        path: Where the exporter writes it.
        place: Where it will be published.
    """

    path: Path
    place: Path
