"""The entry of one artefact in the manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.publishing import digest
from converter.signature import Signature, TensorSpec

if TYPE_CHECKING:  # they import the frameworks
    from converter.artefacts.contract import Artefact
    from converter.parity.proof import Proof


def manifest_entry(
    artefact: "Artefact",
    path: Path,
    *,
    target: str,
    original: Signature,
    legal: Signature,
    provenance: Mapping[str, Any],
    proof: "Proof | None",
    against: str,
    coupling: str,
    recipe: str,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Make the entry of an artefact.

    Args:
        artefact: The artefact, opened.
        path: The staged file or folder.
        target: Name of its format.
        original: The names of inputs and outputs in the source.
        legal: Their names in the format, in the same order.
        provenance: The record that the artefact carries.
        proof: Its parity; None if it was not compared.
        against: What it was compared with, in words.
        coupling: Why its rows may depend on each other; empty if they are proved independent.
        recipe: Digest of everything that it was made from, see ``up_to_date``.
        notes: Remarks for the reader; those of the proof are added.
    """
    return {
        "target": target,
        "source_sha256": provenance["source"]["sha256"],
        "operators": dict(sorted(artefact.operators().items())),
        "names": {
            "inputs": _renaming(original.inputs, legal.inputs),
            "outputs": _renaming(original.outputs, legal.outputs),
        },
        "options": provenance["options"],
        "activations": provenance["activations"],
        "taken_as_keras": provenance["taken_as_keras"],
        "rewrites": provenance["rewrites"],
        "basis": provenance["basis"],
        "parity": {"against": against, **proof.to_json()} if proof else "unverified",
        "rows_independent": not coupling,
        "rows_coupled_by": coupling,
        "inputs": [asdict(spec) for spec in artefact.inputs],
        "outputs": [asdict(spec) for spec in artefact.outputs],
        "recipe": recipe,
        "sha256": digest.sha256(path),
        "bytes": digest.size(path),
        "notes": [*notes, *(proof.notes() if proof else [])],
    }


def _renaming(original: tuple[TensorSpec, ...], legal: tuple[TensorSpec, ...]) -> dict[str, str]:
    return {spec.name: renamed.name for spec, renamed in zip(original, legal, strict=True)}
