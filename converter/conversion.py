"""The result of converting one model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.description import Description
from converter.errors import ConversionError
from converter.evidence import Evidence
from converter.lowering.lower import Rewrite

if TYPE_CHECKING:  # it imports Keras
    from converter.parity.proof import Proof


@dataclass
class Outcome:
    """The result for one target format.

    Attributes:
        target: Name of the format.
        path: Where the artefact was published; None if it was not.
        entry: Its entry in the manifest.
        proof: Its parity; None with ``--no-parity`` or if an error came first.
        error: Why it was not published; None if it was.
    """

    target: str
    path: Path | None = None
    entry: dict[str, Any] = field(default_factory=dict)
    proof: "Proof | None" = None
    error: ConversionError | None = None


@dataclass(frozen=True)
class Conversion:
    """The result for one model.

    Attributes:
        source: The model's file.
        description: What it contains.
        rewrites: What was lowered and folded, and what was not, with the reason.
        outcomes: One per target format, in order.
        evidence: How the formula of each activation is known.
        code: Name of the user's file that was run; empty if there was none.
    """

    source: Path
    description: Description
    rewrites: tuple[Rewrite, ...]
    outcomes: tuple[Outcome, ...]
    evidence: Evidence
    code: str
