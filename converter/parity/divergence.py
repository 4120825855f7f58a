"""Finds the first layer whose output differs between an artefact and the original.

The model is exported once more, unfolded, with the output of every layer as an output of the artefact. The first
layer in the order of the model whose values differ is reported, with the layer before it, whose values still agree.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.artefacts.runtimes import open_artefact
from converter.building.model_builder import build, signature
from converter.building.target_dtype import for_target
from converter.errors import ConversionError
from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import get_target
from converter.graph import Call, Graph, Ref
from converter.lowering.lower import lower
from converter.parity.model_proof import prove
from converter.parity.reference import Answer, Reference
from converter.parity.tolerance_settings import ToleranceSettings


@dataclass(frozen=True)
class Divergence:
    """The first difference between an artefact and the original.

    Attributes:
        layer: The first layer whose output differs.
        error: Its largest absolute error.
        before: The layer before it in the model's order; empty if it is the first.
        error_before: The largest absolute error of the layer before it.
    """

    layer: str
    error: float
    before: str
    error_before: float

    def __str__(self) -> str:
        after = f", after '{self.before}' ({self.error_before:.2g})" if self.before else ""
        return f"It first shows at layer '{self.layer}' ({self.error:.2g}){after}."


def first_divergence(
    graph: Graph,
    target: str,
    answers: Sequence[Answer],
    options: ExportOptions,
    tolerances: ToleranceSettings,
) -> Divergence | None:
    """Find the first layer whose output differs.

    Args:
        graph: The model as it was read, neither lowered nor folded.
        target: The format.
        answers: The answers of the original to the probes to compare.
        options: Options of the format.
        tolerances: What counts as equal.

    Returns:
        The first difference; None if no layer of the unfolded model differs, or it cannot be exported like this.
    """
    whole = graph.but(outputs=tuple((_name(call), Ref(call.layer, call.index)) for call in graph.calls))
    exporter = get_target(target)
    try:
        lowered = lower(for_target(exporter, whole)[0]).graph
        model = build(lowered)
        names = signature(lowered, model)
        legal = exporter.legalise(names)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / exporter.artefact_name("layers")
            exporter.export(model, legal, path, {}, options)
            every = Reference(whole).answers(answer.probe for answer in answers)
            metrics = prove(open_artefact(target, path), every, names, legal, tolerances, {}).outputs
    except ConversionError:
        return None
    before, error_before = "", 0.0
    for name, _ in whole.outputs:
        if not metrics[name].passed:
            return Divergence(name, metrics[name].max_absolute, before, error_before)
        before, error_before = name, metrics[name].max_absolute
    return None


def _name(call: Call) -> str:
    return f"{call.layer} (call {call.index + 1})" if call.index else call.layer
