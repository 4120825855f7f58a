"""Holds an artefact to the original: whole model, before its softmax, and each activation alone."""

import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.activations import Activation
from converter.artefacts.contract import Artefact
from converter.artefacts.runtimes import open_artefact
from converter.building.model_builder import build, signature
from converter.building.target_dtype import for_target
from converter.dtypes import float_range
from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import get_target
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering.lower import lower
from converter.parity.activation_probe import activation_inputs, where_denormals_matter
from converter.parity.array_comparison import Comparison, compare, merge
from converter.parity.probes import Probe
from converter.parity.reference import Answer, Arrays, Reference, renamed
from converter.parity.reference_rounding import held_to_rounding
from converter.parity.tolerance import default_tolerance
from converter.parity.tolerance_settings import Tolerances
from converter.signature import Signature
from converter.user_code import UsersCode

# XNNPACK, which runs TFLite models, answers NaN to sigmoid(z) from about |z| = 1e27 on; no useful model gets
# there. The probes of a TFLite artefact end before it, and the documentation says so.
_RUNTIME_ENDS = {"tflite": 1e25}
_COMPUTE = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Proof:
    """The parity of one artefact.

    Attributes:
        outputs: Figures of each output over all probes, by public name.
        before_softmax: The same for what goes into a last softmax.
        recorded: The same against the recorded answers, where there are any.
        activations: Figures of each activation alone, on its tails too, by formula.
        probes: How many batches were compared.
        widened: Figures of each output against the original computed in the type that stands for a 16-bit one, where
            the format has no such types.
    """

    outputs: Mapping[str, Comparison]
    before_softmax: Mapping[str, Comparison]
    recorded: Mapping[str, Comparison]
    activations: Mapping[str, Comparison]
    probes: int
    widened: Mapping[str, Comparison] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True if every figure is within its tolerance."""
        return not self.misses()

    def misses(self) -> list[tuple[str, Comparison]]:
        """What is outside its tolerance, in words, with its figures."""
        named = [(f"output '{name}'", figures) for name, figures in self.outputs.items()]
        named += [(f"'{name}' before its softmax", figures) for name, figures in self.before_softmax.items()]
        named += [(f"output '{name}' against the recorded answers", f) for name, f in self.recorded.items()]
        named += [(f"output '{name}' against the original in float32", f) for name, f in self.widened.items()]
        named += [(f"{formula} alone", figures) for formula, figures in self.activations.items()]
        return [(words, figures) for words, figures in named if not figures.passed]

    def notes(self) -> list[str]:
        """What a reader of the figures must know, in sentences."""
        named = [(f"'{name}'", figures) for name, figures in self.outputs.items()]
        named += [(f"'{name}' before its softmax", figures) for name, figures in self.before_softmax.items()]
        notes = [
            f"In {words} the original's own float32 rounding is {figures.rounding:.3g} times the tolerance; "
            "there the artefact is no further from the original in float64 than the original itself is."
            for words, figures in named
            if figures.rounding > 1
        ]
        if self.widened:
            notes.append(
                "It was compared with the original within the tolerance of 16 bits, and with the same weights "
                "computed in float32 within the tolerance of float32."
            )
        return notes

    def with_widened(
        self,
        artefact: Artefact,
        graph: Graph,
        answers: Sequence[Answer],
        original: Signature,
        legal: Signature,
    ) -> "Proof":
        """A copy that holds the artefact to the original computed in float32 too, within float32's tolerance.

        Args:
            artefact: Of a format without 16-bit floats.
            graph: The original, computed in float32.
            answers: To the same probes, in 16 bits.
            original: Names of the original, in float32.
            legal: What the format calls the same.
        """
        wide = Reference(graph).answers(answer.probe for answer in answers)
        found = prove(artefact, wide, original, legal, Tolerances(), {})
        return replace(self, widened=found.outputs)

    def to_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "within_tolerance": self.passed,
            "probes": self.probes,
            "outputs": {name: figures.to_json() for name, figures in self.outputs.items()},
            "before_softmax": {name: figures.to_json() for name, figures in self.before_softmax.items()},
            "recorded": {name: figures.to_json() for name, figures in self.recorded.items()},
            "activations": {name: figures.to_json() for name, figures in self.activations.items()},
            "widened": {name: figures.to_json() for name, figures in self.widened.items()},
        }


def prove(
    artefact: Artefact,
    answers: Sequence[Answer],
    original: Signature,
    legal: Signature,
    tolerances: Tolerances,
    activations: Mapping[str, Comparison],
) -> Proof:
    """Compare an artefact with the original's answers.

    The absolute tolerance of what goes into a last softmax grows with the largest value there, as the
    rounding of the sums that make it does.

    Args:
        artefact: Opened by the runtime of its format.
        answers: The original's, under the original's names.
        original: Names of the original.
        legal: What the format calls the same, in the same order; an artefact may list them in another.
        tolerances: What counts as equal.
        activations: Figures of each activation alone, from ``prove_activations``.
    """
    outputs = _pairs(legal.outputs, original.outputs)
    whole, before, recorded = _Figures(tolerances), _Figures(tolerances), _Figures(tolerances)
    magnitudes = _magnitudes(answers)
    for answer in answers:
        inputs = given(answer.probe, original, legal)
        came = _narrowed(renamed(artefact.run(inputs), outputs), answer.outputs, legal)
        whole.add(answer.probe, answer.outputs, came, exact=partial(_exact, answer, "outputs"))
        recorded.add(answer.probe, answer.probe.expected or {}, came)
    for answer in answers:  # anew: an artefact that ends earlier is another one to its runtime
        if answer.before_softmax:
            inputs = given(answer.probe, original, legal)
            logits = renamed(artefact.run_before_softmax(inputs), outputs)
            logits = _narrowed(logits, answer.before_softmax, legal)
            exact = partial(_exact, answer, "before_softmax")
            before.add(answer.probe, answer.before_softmax, logits, magnitudes, exact)
    return Proof(whole.merged(), before.merged(), recorded.merged(), activations, len(answers))


class _Figures:
    """Figures by output, over probes."""

    def __init__(self, tolerances: Tolerances) -> None:
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


def given(probe: Probe, original: Signature, legal: Signature) -> Arrays:
    """A probe's inputs as the artefact takes them; one that computes in float32 takes 16-bit inputs as that."""
    inputs = renamed(probe.inputs, _pairs(original.inputs, legal.inputs))
    wide = {spec.name for spec in legal.inputs if spec.dtype == "float32"}
    return {name: array.astype("float32") if name in wide else array for name, array in inputs.items()}


def _narrowed(came: Arrays, expected: Arrays, legal: Signature) -> Arrays:
    """What came, with float32 rounded to 16 bits where the original answers so and the format is to say float32."""
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
    """The original's answer in float64, where it has one."""
    better = answer.exact.answer(answer.probe) if answer.exact else None
    return getattr(better, part) if better else {}


def prove_activations(
    graph: Graph, target: str, options: ExportOptions, tolerances: Tolerances
) -> dict[str, Comparison]:
    """Export each activation of a graph alone and compare it with its formula, on the tails too.

    The user's code has no formula whose tails are known: the whole model says how far it is from itself.
    """
    alone = {
        (activation, part.policy): part.policy
        for layer in graph.layers.values()
        for part in layer.with_parts()
        for activation in part.activations.values()
        if not isinstance(activation, UsersCode)
    }
    return {
        activation.formula: _prove_alone(activation, policy, target, options, tolerances)
        for activation, policy in alone
    }


def _prove_alone(
    activation: Activation, policy: str, target: str, options: ExportOptions, tolerances: Tolerances
) -> Comparison:
    dtype = _COMPUTE.get(policy, policy)
    channels = max((len(v) for v in vars(activation).values() if isinstance(v, tuple)), default=1)
    graph = _alone(activation, policy, dtype, channels)
    points = _points(activation, dtype, target)
    inputs: NDArray[Any] = np.repeat(points[:, None], channels, axis=1)
    answers = Reference(graph).answers([Probe("tails", "the activation's tails", {"x": inputs})])
    exporter = get_target(target)
    plain = lower(for_target(exporter, graph)[0]).graph
    model = build(plain)
    legal = exporter.legalise(signature(plain, model))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / exporter.artefact_name("activation")
        exporter.export(model, legal, path, {}, options)
        proof = prove(open_artefact(target, path), answers, legal, legal, tolerances, {})
    return proof.outputs["y"]


def _points(activation: Activation, dtype: str, target: str) -> NDArray[Any]:
    """Where an activation is tried: its tails, up to where the formula or the runtime ends.

    Points at which rounding or denormals decide about the answer are left out, unless that is all of them.
    """
    limit = activation.largest_input(float_range(dtype).largest)
    limit = min(limit, _RUNTIME_ENDS.get(target, math.inf) / activation.scale)
    points = activation_inputs(activation.scale, dtype, limit)
    points = points[~where_denormals_matter(points, _numbers(activation))]
    uncertain = activation.uncertainty(points)
    if not uncertain.any():
        return points
    tolerance, answer = default_tolerance(dtype), np.abs(activation.evaluate(points.astype(np.float64)))
    small = (uncertain <= tolerance.atol) | (uncertain <= tolerance.rtol * answer)
    steady = small & np.isfinite(uncertain)
    return points[steady] if steady.any() else points


def _numbers(activation: Activation) -> list[float]:
    numbers = [value for value in vars(activation).values() if isinstance(value, float | int | tuple)]
    return [float(number) for value in numbers for number in np.ravel(value)]


def _alone(activation: Activation, policy: str, dtype: str, channels: int) -> Graph:
    return Graph(
        "activation",
        {
            "x": Layer("x", "InputLayer", {"batch_shape": [None, channels], "dtype": dtype}),
            "y": Layer("y", "Activation", policy=policy, activations={"activation": activation}),
        },
        (Call("y", 0, (Ref("x"),)),),
        (("x", Ref("x")),),
        (("y", Ref("y")),),
    )


def _pairs(these: Iterable[Any], those: Iterable[Any]) -> dict[str, str]:
    return {this.name: that.name for this, that in zip(these, those, strict=True)}


def _magnitudes(answers: Sequence[Answer]) -> dict[str, float]:
    found: dict[str, float] = {}
    for answer in answers:
        for name, array in answer.before_softmax.items():
            finite = array[np.isfinite(array)] if array.size else array
            found[name] = max(found.get(name, 0.0), float(np.max(np.abs(finite), initial=0.0)))
    return found
