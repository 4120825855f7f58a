"""A model ready for an exporter: lowered, folded and built."""

from dataclasses import dataclass, field, replace
from typing import Any

from converter.building.model_builder import build_with_shapes, signature
from converter.building.target_dtype import for_target
from converter.exporters.target_formats import Target
from converter.folding import fold
from converter.graph import Graph
from converter.lowering.lower import Rewrite, lower
from converter.row_independence.layer_rules import coupling
from converter.signature import Signature


@dataclass
class ExportableModel:
    """A lowered and folded model.

    Attributes:
        graph: The model before it was lowered.
        model: The Keras model; None once it is released.
        signature: Its inputs and outputs, under their original names.
        coupling: Why its rows may depend on each other; empty if they are known to be independent.
        notes: How it differs from the original, for the reader of a manifest.
    """

    graph: Graph
    model: Any
    signature: Signature
    coupling: str
    notes: list[str] = field(default_factory=list)

    def release(self) -> None:
        """Drop the Keras model, so that its memory is free while the artefact is checked."""
        self.model = None


def make_exportable(graph: Graph, *, folding: bool) -> tuple[ExportableModel, tuple[Rewrite, ...]]:
    """Lower, fold and build a model.

    Args:
        graph: The model as it was read.
        folding: Whether scales are folded into linear layers.

    Returns:
        The model, and what was lowered and folded.
    """
    lowered = lower(graph)
    plain, folds = fold(lowered) if folding else (lowered.graph, ())
    model, shapes = build_with_shapes(plain)
    made = ExportableModel(graph, model, signature(plain, model), coupling(plain, shapes))
    return made, (*lowered.rewrites, *folds)


def exportable_for(target: Target, shared: ExportableModel, *, folding: bool) -> ExportableModel:
    """The model that a target exports: ``shared``, or one of its own if the format cannot compute in that dtype."""
    graph, notes = for_target(target, shared.graph)
    if not notes:
        return shared
    own, _ = make_exportable(graph, folding=folding)
    return replace(own, notes=notes)
