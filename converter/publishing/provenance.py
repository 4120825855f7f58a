"""What an artefact says of where it comes from; no paths, no times, so that equal runs give equal bytes."""

import importlib.metadata
from collections.abc import Sequence
from typing import Any

from converter.evidence import Evidence
from converter.lowering.lower import Rewrite
from plainserve import __version__

TOOLS = ("keras", "tensorflow", "tf2onnx", "onnx", "numpy")
"""What artefacts are made with."""


def provenance(
    sha256: str,
    keras_version: str,
    evidence: Evidence,
    rewrites: Sequence[Rewrite],
    options: dict[str, Any],
    verified: dict[str, Any] | str,
) -> dict[str, Any]:
    """The record that every artefact of one run carries in its format's own metadata."""
    return {
        "plainserve": __version__,
        "source": {"sha256": sha256, "keras_version": keras_version},
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "options": options,
        "activations": [finding.to_json() for finding in evidence.findings],
        "taken_as_keras": [each.to_json() for each in evidence.taken],
        "basis": evidence.basis.value,
        "rewrites": [rewrite.to_json() for rewrite in rewrites],
        "parity": verified,
    }
