"""Compares an artefact with the original: its outputs, and the inputs of its last softmax."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from converter.artefacts.contract import Artefact
from converter.graph import Graph
from converter.parity.array_comparison import Comparison, compare, merge
from converter.parity.probes import Probe
from converter.parity.proof import Proof
from converter.parity.reference import Answer, Arrays, Reference, renamed
from converter.parity.reference_rounding import held_to_rounding
from converter.parity.tolerance_settings import ToleranceSettings
from converter.signature import Signature


def prove(
    artefact: Artefact,
    answers: Sequence[Answer],
    original: Signature,
    legal: Signature,
    tolerances: ToleranceSettings,
    activations: Mapping[str, Comparison],
) -> Proof:
    """Compare an artefact with the original's answers.

    The absolute tolerance at the input of a softmax grows with the largest value there, as does the rounding of the
    sums that make it.

    Args:
        artefact: Opened by the runtime of its format.
        answers: The outputs of the original, under its own names.
        original: Names of the original.
        legal: Their names in the format, in the same order; the artefact may list them in another.
        tolerances: What counts as equal.
        activations: Metrics of each activation alone, from ``prove_activations``.
    """
    outputs = _pairs(legal.outputs, original.outputs)
    whole, before, recorded = _Metrics(tolerances), _Metrics(tolerances), _Metrics(tolerances)
    magnitudes = _magnitudes(answers)
    for answer in answers:
        inputs = artefact_inputs(answer.probe, original, legal)
        came = _narrowed(renamed(artefact.run(inputs), outputs), answer.outputs, legal)
        whole.add(answer.probe, answer.outputs, came, exact=partial(_exact, answer, "outputs"))
        recorded.add(answer.probe, answer.probe.expected or {}, came)
    for answer in answers:  # a second pass: for its runtime, an artefact that ends earlier is another one
        if answer.before_softmax:
            inputs = artefact_inputs(answer.probe, original, legal)
            logits = renamed(artefact.run_before_softmax(inputs), outputs)
            logits = _narrowed(logits, answer.before_softmax, legal)
            exact = partial(_exact, answer, "before_softmax")
            before.add(answer.probe, answer.before_softmax, logits, magnitudes, exact)
    return Proof(whole.merged(), before.merged(), recorded.merged(), activations, len(answers))


def prove_widened(
    artefact: Artefact,
    graph: Graph,
    answers: Sequence[Answer],
    original: Signature,
    legal: Signature,
) -> Mapping[str, Comparison]:
    """Compare an artefact with the original computed in float32, within the tolerance of float32.

    Args:
        artefact: Of a format without 16-bit floats.
        graph: The original, computed in float32.
        answers: Those of the original in 16 bits, which have the probes.
        original: Names of the original, in float32.
        legal: Their names in the format.

    Returns:
        Metrics of each output.
    """
    wide = Reference(graph).answers(answer.probe for answer in answers)
    return prove(artefact, wide, original, legal, ToleranceSettings(), {}).outputs


class _Metrics:
    """Collects the metrics of each output over all probes."""

    def __init__(self, tolerances: ToleranceSettings) -> None:
        self._tolerances = tolerances
        self._found: dict[str, list[Comparison]] = defaultdict(list)

    def add(
        self,
        probe: Probe,
        expected: Arrays,
        came: Arrays,
        magnitudes: Mapping[str, float] | None = None,
        exact: Callable[[], Arrays] = dict,
    ) -> None:
        for name in expected.keys() & came.keys():
            magnitude = (magnitudes or {}).get(name, 1.0)
            tolerance = self._tolerances.of(expected[name].dtype.name, magnitude)
            found = compare(expected[name], came[name], tolerance, probe=probe.name)
            if not found.passed and self._tolerances.default and name in (better := exact()):
                found = held_to_rounding(found, expected[name], came[name], better[name])
            self._found[name].append(found)

    def merged(self) -> dict[str, Comparison]:
        return {name: merge(several) for name, several in sorted(self._found.items())}


def artefact_inputs(probe: Probe, original: Signature, legal: Signature) -> Arrays:
    """The inputs of a probe under the names of the artefact; 16-bit floats are widened if it takes float32."""
    inputs = renamed(probe.inputs, _pairs(original.inputs, legal.inputs))
    wide = {spec.name for spec in legal.inputs if spec.dtype == "float32"}
    return {name: array.astype("float32") if name in wide else array for name, array in inputs.items()}


def _narrowed(came: Arrays, expected: Arrays, legal: Signature) -> Arrays:
    """Round float32 outputs of the artefact to the 16 bits of the original, if the format has no 16-bit floats."""
    if all(spec.dtype != "float32" for spec in legal.outputs):
        return came
    narrow = {name for name, array in expected.items() if array.dtype.name in {"float16", "bfloat16"}}
    with np.errstate(over="ignore"):
        return {
            name: array.astype(expected[name].dtype)
            if name in narrow and array.dtype == np.float32
            else array
            for name, array in came.items()
        }


def _exact(answer: Answer, part: str) -> Arrays:
    """The answer of the original in float64; empty if it cannot compute in that."""
    better = answer.exact.answer(answer.probe) if answer.exact else None
    return getattr(better, part) if better else {}


def _pairs(these: Iterable[Any], those: Iterable[Any]) -> dict[str, str]:
    return {this.name: that.name for this, that in zip(these, those, strict=True)}


def _magnitudes(answers: Sequence[Answer]) -> dict[str, float]:
    found: dict[str, float] = {}
    for answer in answers:
        for name, array in answer.before_softmax.items():
            finite = array[np.isfinite(array)] if array.size else array
            found[name] = max(found.get(name, 0.0), float(np.max(np.abs(finite), initial=0.0)))
    return found
