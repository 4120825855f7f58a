"""An artefact in the making."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StagedArtefact:
    """An artefact in the making.

    Attributes:
        path: Where the exporter writes it.
        place: Where it will go.
    """

    path: Path
    place: Path
