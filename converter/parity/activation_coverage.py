"""What recorded answers say of each activation: whether the recorded rows move its input at all.

Rows of zeros are answered alike by many formulas. An answer proves a formula only over the inputs that reach it,
so these are measured, in the lowered model before anything is folded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converter.building.model_builder import build
from converter.description import Finding
from converter.graph import Graph, Ref
from converter.lowering.lower import lower
from converter.parity.probes import InputHint
from converter.parity.reference import Answer, input_hints, run_model

# A smooth curve that bends at |x| = 1 / scale is nearly a straight line over less than half of that, and
# formulas that differ can agree on fewer points than they have numbers.
_LEAST_SPREAD, _LEAST_POINTS = 0.5, 8
# A recurrent cell shows only what it answers; it answers a constant to a constant, whatever its formulas.
_LEAST_ANSWERS = 0.01


@dataclass(frozen=True)
class Reach:
    """The inputs of one activation over all recorded rows.

    Attributes:
        low: The least.
        high: The greatest.
        points: How many different ones.
        inside: Whether they are answers of the recurrent layer that the activation stands in, not its inputs.
    """

    low: float
    high: float
    points: int
    inside: bool

    def suffices(self, scale: float) -> bool:
        """Whether these inputs can tell one formula of this scale from another."""
        spread = self.high - self.low
        enough = spread >= _LEAST_ANSWERS if self.inside else spread * scale >= _LEAST_SPREAD
        return bool(enough and self.points >= _LEAST_POINTS)


def unseen(graph: Graph, findings: Sequence[Finding], answers: Sequence[Answer]) -> dict[str, str]:
    """Find the layers of whose activations recorded answers say nothing, and why.

    Args:
        graph: The model, not lowered.
        findings: Its activations.
        answers: Those to recorded probes are looked at.
    """
    recorded = [answer for answer in answers if answer.probe.expected]
    reach = _reach(graph, [finding.layer for finding in findings], recorded)
    masked = _has_masked_steps(input_hints(graph), recorded)
    why: dict[str, str] = {}
    for finding in findings:
        if not reach[finding.layer].suffices(getattr(finding.activation, "scale", 1.0)):
            why[finding.layer] = "the recorded rows hardly move its input"
        elif finding.assumes_mask and not masked:
            why[finding.layer] = "no recorded row has a masked step"
    return why


def _reach(graph: Graph, layers: Sequence[str], answers: Sequence[Answer]) -> dict[str, Reach]:
    lowered = lower(graph)
    wanted = {name: _watched(lowered.graph, lowered.first_steps.get(name), name) for name in layers}
    refs = [ref for refs in wanted.values() for ref in refs]
    if not refs:
        return {}
    named = tuple((f"seen_{number}", ref) for number, ref in enumerate(refs))
    model = build(lowered.graph.but(outputs=named))
    values: dict[Ref, list[np.ndarray]] = {ref: [] for ref in refs}
    for answer in answers:
        for ref, array in zip(refs, run_model(model, list(answer.probe.inputs.values())), strict=True):
            finite = array[np.isfinite(array)]
            values[ref].append(np.unique(finite.astype(np.float64)))
    return {
        name: _summed([each for ref in refs for each in values[ref]], inside=name not in lowered.first_steps)
        for name, refs in wanted.items()
    }


def _watched(graph: Graph, first_step: str | None, layer: str) -> list[Ref]:
    """What goes into an activation that stands between layers, or comes out of a layer that keeps it."""
    if first_step is not None:
        return [call.sources[0] for call in graph.calls_of(first_step)]
    return [Ref(layer, call.index) for call in graph.calls_of(layer)]


def _summed(values: Sequence[np.ndarray], *, inside: bool) -> Reach:
    points = np.unique(np.concatenate(values)) if values else np.zeros(0)
    if not points.size:
        return Reach(0.0, 0.0, 0, inside)
    return Reach(float(points[0]), float(points[-1]), points.size, inside)


def _has_masked_steps(hints: Mapping[str, InputHint], answers: Sequence[Answer]) -> bool:
    return any(
        bool(np.any(np.all(array.reshape(*array.shape[:2], -1) == 0, axis=-1)))
        for name, hint in hints.items()
        if hint.masked
        for array in (answer.probe.inputs[name] for answer in answers)
    )
