"""The parity of one artefact with the original."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from converter.parity.metrics import Comparison


@dataclass(frozen=True)
class Proof:
    """The parity of one artefact.

    Attributes:
        outputs: Metrics of each output over all probes, by public name.
        before_softmax: Metrics of the input of each softmax that produces an output.
        recorded: Metrics of each output against the recorded answers, if there are any.
        activations: Metrics of each activation alone, tails included, by formula.
        probes: Number of batches that were compared.
        widened: Metrics of each output against the original computed in float32, if the format has no 16-bit floats.
    """

    outputs: Mapping[str, Comparison]
    before_softmax: Mapping[str, Comparison]
    recorded: Mapping[str, Comparison]
    activations: Mapping[str, Comparison]
    probes: int
    widened: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything is within its tolerance."""
        return not self.misses()

    def misses(self) -> list[tuple[str, Comparison]]:
        """Everything outside its tolerance: a description and the metrics."""
        named = [(f"output '{name}'", metrics) for name, metrics in self.outputs.items()]
        named += [(f"'{name}' before its softmax", metrics) for name, metrics in self.before_softmax.items()]
        named += [
            (f"output '{name}' against the recorded answers", metrics)
            for name, metrics in self.recorded.items()
        ]
        named += [
            (f"output '{name}' against the original in float32", metrics)
            for name, metrics in self.widened.items()
        ]
        named += [(f"{formula} alone", metrics) for formula, metrics in self.activations.items()]
        return [(words, metrics) for words, metrics in named if not metrics.passed]

    def notes(self) -> list[str]:
        """Remarks for the reader of the metrics."""
        named = [(f"'{name}'", metrics) for name, metrics in self.outputs.items()]
        named += [(f"'{name}' before its softmax", metrics) for name, metrics in self.before_softmax.items()]
        notes = [
            f"In {words} the original's own float32 rounding is {metrics.rounding:.3g} times the tolerance; "
            "there the artefact is no further from the original in float64 than the original itself is."
            for words, metrics in named
            if metrics.rounding > 1
        ]
        if self.widened:
            notes.append(
                "It was compared with the original within the tolerance of 16 bits, and with the same weights "
                "computed in float32 within the tolerance of float32."
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """All metrics as JSON values."""
        return {
            "within_tolerance": self.passed,
            "probes": self.probes,
            "outputs": {name: metrics.to_json() for name, metrics in self.outputs.items()},
            "before_softmax": {name: metrics.to_json() for name, metrics in self.before_softmax.items()},
            "recorded": {name: metrics.to_json() for name, metrics in self.recorded.items()},
            "activations": {name: metrics.to_json() for name, metrics in self.activations.items()},
            "widened": {name: metrics.to_json() for name, metrics in self.widened.items()},
        }
