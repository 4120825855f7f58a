"""One row of the parity table: an architecture with an activation in a format, and what was measured."""

import json
import time
import warnings
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from architectures import ARCHITECTURES, made
from users_activations import ACTIVATIONS

from converter.archive import open_archive
from converter.building.model_builder import build, signature
from converter.conversion import Outcome
from converter.description import InputShapes, describe
from converter.graph import Graph
from converter.options import Options
from converter.parity.probes import Probe, probes
from converter.parity.reference import Arrays, Reference, input_hints
from converter.parity.tolerance import default_tolerance
from converter.pipeline import convert

_SAMPLES = 8

# The reference and an artefact both round, each in its own order, and the worst of all probes is further out than
# the worst of those that are computed in float64 too.
_ROUNDINGS = 4


@dataclass(frozen=True)
class _Own:
    """The original's own figures, before its softmax where nothing else is said.

    Attributes:
        float32: Largest difference between float32 and float64.
        answers: The same after the softmax.
        largest: Largest absolute value.
        spread: Standard deviation over the samples, at most.
    """

    float32: float
    answers: float
    largest: float
    spread: float


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        architecture: Name in ``ARCHITECTURES``.
        activation: Name in ``ACTIVATIONS``.
        target: The format.
        parameters: How many numbers the model has.
        operators: How many operators the artefact has.
        passed: Every figure was within its tolerance.
        error: Why there is no artefact; empty if there is one.
        compared: How many numbers were compared.
        max_absolute: Largest difference from the original.
        mean_absolute: Mean difference.
        top1: Share of rows whose most probable class is the same.
        before_softmax: Largest difference in what goes into the softmax.
        allowed: The absolute tolerance that held there.
        float32: What float32 costs the original itself there, against float64.
        atol: The absolute tolerance of the answers.
        spread: Standard deviation of the original's answers over the samples, at most.
        seconds: Of export, check and proof.
    """

    architecture: str
    activation: str
    target: str
    parameters: int
    operators: int
    passed: bool
    error: str
    compared: int
    max_absolute: float
    mean_absolute: float
    top1: float
    before_softmax: float
    allowed: float
    float32: float
    atol: float
    spread: float
    seconds: float

    @property
    def file_name(self) -> str:
        """Of the row among others."""
        return f"{self.architecture}-{self.activation}-{self.target}.json"

    def write(self, folder: Path) -> None:
        """Write the row into a folder."""
        (folder / self.file_name).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Row":
        """Read what ``write`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def measure(name: str, activation: str, folder: Path) -> list[Row]:
    """Build a model, save it, convert it to each format, and measure."""
    architecture = ARCHITECTURES[name]
    source, samples = folder / f"{name}-{activation}.keras", folder / f"{name}.npz"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of lambdas, and where a mask ends
        model = made(architecture, ACTIVATIONS[activation])
        model.save(source)
    inputs = {model.inputs[0].name: architecture.inputs(np.random.default_rng(1), _SAMPLES)}
    np.savez(samples, **inputs)
    moments: list[tuple[str, float]] = []
    own = _own(source, inputs)
    rounding = max(own.answers, own.float32 / max(1.0, own.largest))  # the proof multiplies by the largest
    atol = max(default_tolerance("float32").atol, _ROUNDINGS * rounding)
    options = Options(architecture.targets, output=folder, samples=samples, atol=atol)
    conversion = convert(source, options, lambda phase: moments.append((phase, time.perf_counter())))
    moments.append(("", time.perf_counter()))
    return [
        _row(name, activation, model.count_params(), outcome, own, _seconds(moments, outcome.target))
        for outcome in conversion.outcomes
    ]


def _row(
    name: str,
    activation: str,
    parameters: int,
    outcome: Outcome,
    own: _Own,
    seconds: float,
) -> Row:
    proof = outcome.proof
    error = str(outcome.error or "")
    if proof is None:
        raise AssertionError(f"{name} with {activation} as {outcome.target}: {error}")
    (figures,) = proof.outputs.values()
    (before,) = proof.before_softmax.values()
    return Row(
        architecture=name,
        activation=activation,
        target=outcome.target,
        parameters=parameters,
        operators=sum(outcome.entry["operators"].values()),
        passed=proof.passed,
        error=error,
        compared=figures.elements,
        max_absolute=figures.max_absolute,
        mean_absolute=figures.mean_absolute,
        top1=figures.top1.share if figures.top1 else 0.0,
        before_softmax=before.max_absolute,
        allowed=before.tolerance.atol,
        float32=own.float32,
        atol=figures.tolerance.atol,
        spread=own.spread,
        seconds=seconds,
    )


def _seconds(moments: list[tuple[str, float]], target: str) -> float:
    return sum(
        after - before for (phase, before), (_, after) in pairwise(moments) if phase.endswith(f" {target}")
    )


def _own(source: Path, inputs: dict[str, np.ndarray]) -> _Own:
    with open_archive(source) as archive:
        graph = describe(archive, {}, InputShapes()).graph
        made = probes(signature(graph, build(graph)).inputs, input_hints(graph), 0)
        chosen = [Probe("samples", "samples", inputs), *(one for one in made if "batch32-draw0" in one.name)]
        narrow = Reference(graph).answers(chosen)
        wide = Reference(_in_float64(graph)).answers(chosen)
    ((name, logits),) = narrow[0].before_softmax.items()
    largest = max(np.abs(one.before_softmax[name]).max() for one in narrow)
    before = _largest(
        [(one.before_softmax, other.before_softmax) for one, other in zip(narrow, wide, strict=True)]
    )
    answers = _largest([(one.outputs, other.outputs) for one, other in zip(narrow, wide, strict=True)])
    return _Own(before, answers, float(largest), float(logits.std(axis=0).max()))


def _largest(pairs: list[tuple[Arrays, Arrays]]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for one, other in pairs for name in one)


def _in_float64(graph: Graph) -> Graph:
    changed = {}
    for name, layer in graph.layers.items():
        wide = layer.map_parts(lambda part: part.but(policy="float64")).but(policy="float64")
        if layer.kind == "InputLayer" and layer.config["dtype"] == "float32":
            wide = wide.but(config={**layer.config, "dtype": "float64"})
        changed[name] = wide
    return graph.but(layers=changed)
