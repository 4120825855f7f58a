"""One model from file to published artefacts.

archive -> description -> reference model -> lowered -> folded -> exporters -> checks -> parity -> publish
"""

import gc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from converter import manifest
from converter.archive import Archive, open_archive
from converter.artefacts import open_artefact
from converter.build import build, signature
from converter.custom_objects import as_written, load
from converter.description import Description, describe
from converter.destination import Destination, open_destination
from converter.errors import ConversionError, ParityError, UnsupportedError
from converter.exporters import Target, get_target
from converter.folding import fold
from converter.graph import Graph
from converter.lowering import Rewrite, lower
from converter.options import Options
from converter.parity.probes import probes
from converter.parity.proof import Proof, prove, prove_activations
from converter.parity.reference import Answer, Reference, input_hints
from converter.parity.samples import sample_probes
from converter.parity.tolerances import Tolerances, coarsest
from converter.parity.verdict import require_parity
from converter.provenance import provenance
from converter.publish import publish, reported
from converter.recipe import recipe
from converter.signature import Signature, TensorSpec
from converter.staged import Staged
from converter.target_policy import for_target

Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What became of one target format.

    Attributes:
        target: Its name.
        path: Where the artefact was published.
        entry: Its figures, as the manifest has them.
        proof: Its parity; None with ``--no-parity`` or where it was not reached.
        error: Why it was not published.
    """

    target: str
    path: Path | None = None
    entry: dict[str, Any] = field(default_factory=dict)
    proof: Proof | None = None
    error: ConversionError | None = None


@dataclass(frozen=True)
class Conversion:
    """What became of one model.

    Attributes:
        source: The file.
        description: What it holds.
        rewrites: What was lowered and folded, and what was left with its reason.
        outcomes: One per target, in order.
        code: Name of the user's file that was run as the reference; empty if none was.
    """

    source: Path
    description: Description
    rewrites: tuple[Rewrite, ...]
    outcomes: tuple[Outcome, ...]
    code: str


@dataclass
class _Job:
    """What the targets of one model have in common; the model itself until the last of them is exported."""

    source: dict[str, Any]
    description: Description
    rewrites: tuple[Rewrite, ...]
    model: Any
    signature: Signature
    answers: list[Answer]
    record: dict[str, Any]
    options: Options


def convert(source: Path, options: Options, progress: Progress) -> Conversion:
    """Convert one model to every target asked for.

    Each target that passes is published even if another fails; its error is in its outcome.

    Raises:
        ConversionError: The model itself cannot be read, understood or built.
    """
    with ExitStack() as stack:
        progress("reading")
        archive = stack.enter_context(open_archive(source))
        archive.verify()
        description = describe(archive, options.stated, options.shapes)
        _require_finite(description.graph, allowed=options.allow_nonfinite)
        _require_room(description.graph, options.targets)
        destination = stack.enter_context(open_destination(source, options))
        progress("building")
        job = _prepare(archive, description, options, progress)
        outcomes = tuple(_target(name, job, destination, progress) for name in options.targets)
        code = options.custom_objects.name if options.custom_objects else ""
        return Conversion(source, description, job.rewrites, outcomes, code)


def _prepare(archive: Archive, description: Description, options: Options, progress: Progress) -> _Job:
    lowered = lower(description.graph)
    graph, folds = fold(lowered) if options.fold else (lowered.graph, ())
    model = build(graph)
    names = signature(graph, model)
    rewrites = (*lowered.rewrites, *folds)
    progress("running the original")
    answers = _answers(description.graph, names, options)
    verified = (
        {"atol": options.atol, "rtol": options.rtol, "seed": options.seed} if options.parity else "unverified"
    )
    record = provenance(
        archive.sha256, archive.keras_version, description.findings, rewrites, options.to_json(), verified
    )
    source = {
        "file": archive.path.name,
        "sha256": archive.sha256,
        "format": archive.format,
        "keras_version": archive.keras_version,
    }
    return _Job(source, description, rewrites, model, names, answers, record, options)


def _answers(graph: Graph, names: Signature, options: Options) -> list[Answer]:
    if not options.parity:
        return []
    chosen = list(probes(names.inputs, input_hints(graph), options.seed))
    if options.samples:
        chosen = sample_probes(options.samples, options.expected, names) + chosen
    if options.custom_objects:
        graph = as_written(graph, load(options.custom_objects))
    answers = Reference(graph).answers(chosen)
    gc.collect()  # a Keras model is cyclic: without this its weights stay beside those of the next
    return answers


def _target(name: str, job: _Job, destination: Destination, progress: Progress) -> Outcome:
    outcome = Outcome(name)
    try:
        staged = destination.stage(name)
        with reported(staged.place):
            _export(name, job, staged, progress, outcome)
            outcome.path = destination.publish(staged, job.source, outcome.entry, job.answers)
    except ConversionError as error:
        outcome.error = error
        if isinstance(error, ParityError) and job.options.keep_failed:
            artefact = get_target(name).artefact_name(Path(job.source["file"]).stem)
            _keep(staged.path, job.options.keep_failed, artefact)
    return outcome


def _export(name: str, job: _Job, staged: Staged, progress: Progress, outcome: Outcome) -> None:
    target = get_target(name)
    target.require_room(_weight_bytes(job.description.graph))
    own = _own(target, job)
    legal = target.legalise(own.signature)
    progress(f"exporting {name}")
    target.export(own.model, legal, staged.path, job.record, job.options.export)
    own.model = None
    if name == job.options.targets[-1]:
        job.model = None  # so its memory is free while this artefact is checked
    gc.collect()
    progress(f"checking {name}")
    artefact = open_artefact(name, staged.path)
    artefact.check()
    precision = coarsest(job.description.graph)
    tolerances = Tolerances(job.options.atol, job.options.rtol, precision)
    if job.options.parity:
        progress(f"proving {name}")
        alone = prove_activations(job.description.graph, name, job.options.export, tolerances)
        outcome.proof = prove(artefact, job.answers, job.signature, legal, tolerances, alone)
        if own.notes:
            outcome.proof = outcome.proof.with_widened(artefact, own.graph, job.answers, own.signature, legal)
    outcome.entry = {
        "target": name,
        "source_sha256": job.source["sha256"],
        "operators": dict(sorted(artefact.operators().items())),
        "names": {
            "inputs": _renaming(job.signature.inputs, legal.inputs),
            "outputs": _renaming(job.signature.outputs, legal.outputs),
        },
        "options": job.record["options"],
        "activations": job.record["activations"],
        "rewrites": job.record["rewrites"],
        "parity": outcome.proof.to_json() if outcome.proof else "unverified",
        "inputs": [asdict(spec) for spec in artefact.inputs],
        "outputs": [asdict(spec) for spec in artefact.outputs],
        "recipe": recipe(job.source["sha256"], job.options),
        "sha256": manifest.sha256(staged.path),
        "bytes": manifest.size(staged.path),
        "notes": own.notes + (outcome.proof.notes() if outcome.proof else []),
    }
    if outcome.proof:
        graph, export = job.description.graph, job.options.export
        require_parity(outcome.proof, graph, name, job.answers, export, tolerances)


@dataclass
class _Own:
    """What one target exports: the model that all share, or one of its own, of which ``notes`` says why."""

    graph: Graph
    model: Any
    signature: Signature
    notes: list[str]


def _own(target: Target, job: _Job) -> _Own:
    graph, notes = for_target(target, job.description.graph)
    if not notes:
        return _Own(graph, job.model, job.signature, notes)
    lowered = lower(graph)
    plain = fold(lowered)[0] if job.options.fold else lowered.graph
    model = build(plain)
    return _Own(graph, model, signature(plain, model), notes)


def _renaming(original: tuple[TensorSpec, ...], legal: tuple[TensorSpec, ...]) -> dict[str, str]:
    return {spec.name: called.name for spec, called in zip(original, legal, strict=True)}


def _keep(path: Path, folder: Path, name: str) -> None:
    """Put an artefact that missed parity aside for study; it is never published."""
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
        publish(path, folder / name)


def _require_room(graph: Graph, targets: Sequence[str]) -> None:
    """Stop now if no target can hold the weights; one among several fails by itself, later."""
    size = _weight_bytes(graph)
    if all((most := get_target(name).most_bytes) is not None and size > most for name in targets):
        get_target(targets[0]).require_room(size)


def _weight_bytes(graph: Graph) -> int:
    weights = [weight for layer in graph.layers.values() for weight in layer.weights.values()]
    return sum(weight.size * weight.dtype.itemsize for weight in weights)


def _require_finite(graph: Graph, *, allowed: bool) -> None:
    if allowed:
        return
    for layer in graph.layers.values():
        for path, weight in layer.weights.items():
            if weight.dtype.kind == "f" and not np.isfinite(weight.read()).all():
                raise UnsupportedError(
                    f"weight {path} holds NaN or infinity",
                    where=f"layer '{layer.name}'",
                    hint="Such a model is usually damaged; if it is meant so, give --allow-nonfinite.",
                )
