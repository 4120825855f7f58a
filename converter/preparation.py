"""What is done once for a model, whatever its target formats: lower, fold, build, and run the original."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from converter.archive import Archive
from converter.basis import Basis
from converter.building.custom_layers import require_traceable
from converter.building.custom_objects import CustomizedModel, apply_custom_objects
from converter.building.custom_objects_file import load_custom_objects
from converter.description import Description
from converter.evidence import Evidence, gather_evidence, require_proof
from converter.exportable_model import ExportableModel, make_exportable
from converter.graph import Graph
from converter.lowering.lower import Rewrite
from converter.options import Options
from converter.parity.activation_coverage import uncovered_layers
from converter.parity.reference import Answer
from converter.parity.reference_answers import reference_answers
from converter.preflight import CheckedModel
from converter.publishing.provenance import provenance

Progress = Callable[[str], None]
"""Called with the name of each phase, such as ``building``, when it begins."""


@dataclass(frozen=True)
class PreparedModel:
    """What the target formats of one model have in common.

    Attributes:
        source: File name, digest, format and Keras version of the source.
        graph: The model with the user's code in it, before it was lowered.
        exportable: The model that is exported, unless a target needs one of its own.
        rewrites: What was lowered and folded, and what was not, with the reason.
        evidence: How the formula of each activation is known.
        answers: The outputs of the original for the inputs that artefacts are compared on.
        notes: Remarks about these inputs, for the reader of a manifest.
        provenance: The record that every artefact carries.
    """

    source: dict[str, Any]
    graph: Graph
    exportable: ExportableModel
    rewrites: tuple[Rewrite, ...]
    evidence: Evidence
    answers: list[Answer]
    notes: list[str]
    provenance: dict[str, Any]


def prepare(checked: CheckedModel, options: Options, progress: Progress) -> PreparedModel:
    """Lower, fold and build a model, and run the original.

    Raises:
        ConversionError: The model cannot be built or run, or its formulas are not proved and have to be.
    """
    progress("building")
    customized = _with_custom_objects(checked.description, options)
    exportable, rewrites = make_exportable(customized.graph, folding=options.fold)
    if options.custom_objects:
        require_traceable(exportable.model, exportable.signature)
    progress("running the original")
    answers, notes = (
        reference_answers(customized.reference, exportable.signature, options) if options.parity else ([], [])
    )
    evidence = _evidence(checked.description, customized, answers)
    if options.require_proof:
        require_proof(evidence)
    source = _source(checked.archive)
    record = provenance(source, evidence, rewrites, options)
    return PreparedModel(source, customized.graph, exportable, rewrites, evidence, answers, notes, record)


def _with_custom_objects(description: Description, options: Options) -> CustomizedModel:
    """The model with the user's code in it, if there is any."""
    if options.custom_objects is None:
        return CustomizedModel(description.graph, description.graph, frozenset(), ())
    stated = {finding.layer for finding in description.findings if finding.basis is Basis.STATED}
    return apply_custom_objects(description.graph, load_custom_objects(options.custom_objects), stated)


def _evidence(description: Description, customized: CustomizedModel, answers: list[Answer]) -> Evidence:
    """How each formula is known, given the user's code and the recorded answers."""
    found = gather_evidence(description, customized.traced, customized.layers, unseen=None)
    if not any(answer.probe.expected for answer in answers):
        return found
    not_covered = uncovered_layers(customized.graph, found.findings, answers)
    return gather_evidence(description, customized.traced, customized.layers, not_covered)


def _source(archive: Archive) -> dict[str, Any]:
    return {
        "file": archive.path.name,
        "sha256": archive.sha256,
        "format": archive.format,
        "keras_version": archive.keras_version,
    }
