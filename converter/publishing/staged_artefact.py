"""An artefact in the making."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Staged:
    """An artefact in the making.

    Attributes:
        path: Where the exporter writes it.
        place: Where it will go.
    """

    path: Path
    place: Path
