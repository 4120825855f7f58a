"""Holds an artefact to the original: whole model, before its softmax, and each activation alone."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.activations import Activation
from converter.artefacts import Artefact, open_artefact
from converter.build import build, signature
from converter.dtypes import float_range
from converter.exporters import ExportOptions, get_target
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering import lower
from converter.parity.activation_probe import activation_inputs
from converter.parity.comparison import Comparison, compare, merge
from converter.parity.probes import Probe
from converter.parity.reference import Answer, Reference, renamed
from converter.parity.tolerance import Tolerance, default_tolerance
from converter.signature import Signature

# XNNPACK, which runs TFLite models, answers NaN to sigmoid(z) from about |z| = 1e27 on; no useful model gets
# there. The probes of a TFLite artefact end before it, and the documentation says so.
_RUNTIME_ENDS = {"tflite": 1e25}
_COMPUTE = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Tolerances:
    """What the user asked for; None leaves the default of the dtype."""

    atol: float | None = None
    rtol: float | None = None

    def of(self, dtype: str, magnitude: float = 1.0) -> Tolerance:
        """The tolerance for arrays of a dtype, whose absolute part grows with a magnitude above 1."""
        default = default_tolerance(dtype)
        atol = default.atol if self.atol is None else self.atol
        rtol = default.rtol if self.rtol is None else self.rtol
        return Tolerance(atol * max(1.0, magnitude), rtol)


@dataclass(frozen=True)
class Proof:
    """The parity of one artefact.

    Attributes:
        outputs: Figures of each output over all probes, by public name.
        before_softmax: The same for what goes into a last softmax.
        activations: Figures of each activation alone, on its tails too, by formula.
        probes: How many batches were compared.
    """

    outputs: Mapping[str, Comparison]
    before_softmax: Mapping[str, Comparison]
    activations: Mapping[str, Comparison]
    probes: int

    @property
    def passed(self) -> bool:
        """True if every figure is within its tolerance."""
        return not self.misses()

    def misses(self) -> list[tuple[str, Comparison]]:
        """What is outside its tolerance, in words, with its figures."""
        named = [(f"output '{name}'", figures) for name, figures in self.outputs.items()]
        named += [(f"'{name}' before its softmax", figures) for name, figures in self.before_softmax.items()]
        named += [(f"{formula} alone", figures) for formula, figures in self.activations.items()]
        return [(words, figures) for words, figures in named if not figures.passed]

    def to_json(self) -> dict[str, Any]:
        """All figures as plain values."""
        return {
            "passed": self.passed,
            "probes": self.probes,
            "outputs": {name: figures.to_json() for name, figures in self.outputs.items()},
            "before_softmax": {name: figures.to_json() for name, figures in self.before_softmax.items()},
            "activations": {name: figures.to_json() for name, figures in self.activations.items()},
        }


def prove(
    artefact: Artefact, answers: Sequence[Answer], original: Signature, tolerances: Tolerances
) -> tuple[dict[str, Comparison], dict[str, Comparison]]:
    """Compare an artefact with the original's answers.

    Args:
        artefact: Opened by the runtime of its format.
        answers: The original's, under the original's names.
        original: Names of the original, in the artefact's order.
        tolerances: What counts as equal.

    Returns:
        Figures of the outputs, and of what goes into a last softmax. The latter's absolute tolerance grows
        with the largest value there, as the rounding of the sums that make it does.
    """
    inputs = _pairs(original.inputs, artefact.inputs)
    outputs = _pairs(artefact.outputs, original.outputs)
    whole: dict[str, list[Comparison]] = {name: [] for name in outputs.values()}
    before: dict[str, list[Comparison]] = {}
    magnitudes = _magnitudes(answers)
    for answer in answers:
        given = renamed(answer.probe.inputs, inputs)
        for name, came in renamed(artefact.run(given), outputs).items():
            expected = answer.outputs[name]
            tolerance = tolerances.of(expected.dtype.name)
            whole[name].append(compare(expected, came, tolerance, probe=answer.probe.name))
        logits = renamed(artefact.run_before_softmax(given), outputs) if answer.before_softmax else {}
        for name in logits.keys() & answer.before_softmax.keys():
            expected = answer.before_softmax[name]
            tolerance = tolerances.of(expected.dtype.name, magnitudes[name])
            figures = compare(expected, logits[name], tolerance, probe=answer.probe.name)
            before.setdefault(name, []).append(figures)
    return {k: merge(v) for k, v in whole.items()}, {k: merge(v) for k, v in sorted(before.items())}


def prove_activations(
    graph: Graph, target: str, options: ExportOptions, tolerances: Tolerances
) -> dict[str, Comparison]:
    """Export each activation of a graph alone and compare it with its formula, on the tails too."""
    alone = {
        (activation, layer.policy): layer.policy
        for layer in graph.layers.values()
        for activation in layer.activations.values()
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
    limit = activation.largest_input(float_range(dtype).largest)
    limit = min(limit, _RUNTIME_ENDS.get(target, limit) / activation.scale)
    points = activation_inputs(activation.scale, dtype, limit)
    inputs: NDArray[Any] = np.repeat(points[:, None], channels, axis=1)
    answers = Reference(graph).answers([Probe("tails", "the activation's tails", {"x": inputs})])
    model = build(lower(graph).graph)
    exporter = get_target(target)
    legal = exporter.legalise(signature(graph, model))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / exporter.artefact_name("activation")
        exporter.export(model, legal, path, {}, options)
        outputs, _ = prove(open_artefact(target, path), answers, legal, tolerances)
    return merge(list(outputs.values()))


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
