"""Measures which activations the recorded rows cover: whether they vary its input enough to prove its formula.

Many formulas give the same outputs for rows of zeros. An output proves a formula only over the inputs that reach it,
so these are measured, in the lowered model before anything is folded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converter.building.model_builder import build
from converter.description import Finding
from converter.graph import Graph, Ref
from converter.lowering.lower import lower
from converter.parity.model_runner import runner
from converter.parity.probes import InputHint
from converter.parity.reference import Answer, input_hints

# A smooth curve that bends at |x| = 1 / scale is nearly a straight line over less than half of that, and different
# formulas can agree on fewer points than they have constants.
_LEAST_SPREAD, _LEAST_POINTS = 0.5, 8
# Of a recurrent cell only the outputs are visible; its output for a constant is constant, whatever its formulas.
_LEAST_ANSWERS = 0.01


@dataclass(frozen=True)
class InputRange:
    """The inputs of one activation over all recorded rows.

    Attributes:
        low: The least.
        high: The greatest.
        points: The number of distinct values.
        inside: Whether they are outputs of the recurrent layer that contains the activation, not its inputs.
    """

    low: float
    high: float
    points: int
    inside: bool

    def suffices(self, scale: float) -> bool:
        """Whether these inputs can distinguish formulas of this scale."""
        spread = self.high - self.low
        enough = spread >= _LEAST_ANSWERS if self.inside else spread * scale >= _LEAST_SPREAD
        return bool(enough and self.points >= _LEAST_POINTS)


def uncovered_layers(graph: Graph, findings: Sequence[Finding], answers: Sequence[Answer]) -> dict[str, str]:
    """Find the layers whose activations the recorded rows do not cover, with the reason for each.

    Args:
        graph: The model, not lowered.
        findings: Its activations.
        answers: The answers of the original; only those with recorded outputs are used.
    """
    recorded = [answer for answer in answers if answer.probe.expected]
    ranges = _input_ranges(graph, [finding.layer for finding in findings], recorded)
    masked = _has_masked_steps(input_hints(graph), recorded)
    why: dict[str, str] = {}
    for finding in findings:
        if not ranges[finding.layer].suffices(getattr(finding.activation, "scale", 1.0)):
            why[finding.layer] = "the recorded rows hardly move its input"
        elif finding.assumes_mask and not masked:
            why[finding.layer] = "no recorded row has a masked step"
    return why


def _input_ranges(graph: Graph, layers: Sequence[str], answers: Sequence[Answer]) -> dict[str, InputRange]:
    lowered = lower(graph)
    wanted = {name: _observed(lowered.graph, lowered.first_steps.get(name), name) for name in layers}
    refs = [ref for refs in wanted.values() for ref in refs]
    if not refs:
        return {}
    named = tuple((f"seen_{number}", ref) for number, ref in enumerate(refs))
    observed = lowered.graph.but(outputs=named)
    run = runner(build(observed), observed, len(answers))
    values: dict[Ref, list[np.ndarray]] = {ref: [] for ref in refs}
    for answer in answers:
        for ref, array in zip(refs, run([*answer.probe.inputs.values()]), strict=True):
            finite = array[np.isfinite(array)]
            values[ref].append(np.unique(finite.astype(np.float64)))
    return {
        name: _range_of(
            [each for ref in refs for each in values[ref]], inside=name not in lowered.first_steps
        )
        for name, refs in wanted.items()
    }


def _observed(graph: Graph, first_step: str | None, layer: str) -> list[Ref]:
    """The input of an activation that is a layer of its own, or the output of a layer that contains it."""
    if first_step is not None:
        return [call.sources[0] for call in graph.calls_of(first_step)]
    return [Ref(layer, call.index) for call in graph.calls_of(layer)]


def _range_of(values: Sequence[np.ndarray], *, inside: bool) -> InputRange:
    points = np.unique(np.concatenate(values)) if values else np.zeros(0)
    if not points.size:
        return InputRange(0.0, 0.0, 0, inside)
    return InputRange(float(points[0]), float(points[-1]), points.size, inside)


def _has_masked_steps(hints: Mapping[str, InputHint], answers: Sequence[Answer]) -> bool:
    return any(
        bool(np.any(np.all(array.reshape(*array.shape[:2], -1) == 0, axis=-1)))
        for name, hint in hints.items()
        if hint.masked
        for array in (answer.probe.inputs[name] for answer in answers)
    )
