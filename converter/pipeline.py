"""One model from file to published artefacts.

archive -> description -> reference model -> lowered -> folded -> exporters -> checks -> parity -> publish
"""

import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from converter.archive import Archive
from converter.artefacts.contract import Artefact
from converter.artefacts.runtimes import open_artefact
from converter.basis import Basis
from converter.building.custom_objects import Decided, decide, load, require_traceable
from converter.building.model_builder import build_with_shapes, signature
from converter.building.target_dtype import for_target
from converter.description import Description
from converter.errors import ConversionError, ParityError
from converter.evidence import Evidence, gathered, require_proof
from converter.exporters.target_formats import Target, get_target
from converter.folding import fold
from converter.graph import Graph
from converter.lowering.lower import Rewrite, lower
from converter.options import Options
from converter.parity.acceptance import require_parity
from converter.parity.activation_coverage import unseen
from converter.parity.probes import probes
from converter.parity.proof import Proof, prove, prove_activations
from converter.parity.reference import Answer, Reference, input_hints
from converter.parity.samples import sample_probes
from converter.parity.tolerance_settings import Tolerances, coarsest
from converter.preflight import Intake, intake, weight_bytes
from converter.process.environment_errors import as_environment_error, reporting_environment_errors
from converter.publishing import manifest
from converter.publishing.atomic_publish import move, moving, sync
from converter.publishing.destination import Destination
from converter.publishing.provenance import provenance
from converter.publishing.staged_artefact import Staged
from converter.publishing.up_to_date import recipe
from converter.row_independence.layer_rules import coupling
from converter.row_independence.measurement import coupled_output
from converter.signature import Signature, TensorSpec

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
        evidence: What the artefacts' proof rests on.
        code: Name of the user's file that was run; empty if none was.
    """

    source: Path
    description: Description
    rewrites: tuple[Rewrite, ...]
    outcomes: tuple[Outcome, ...]
    evidence: Evidence
    code: str


@dataclass
class _Job:
    """What the targets of one model have in common; the model itself until the last of them is exported."""

    source: dict[str, Any]
    graph: Graph
    evidence: Evidence
    rewrites: tuple[Rewrite, ...]
    model: Any
    signature: Signature
    coupled: str
    answers: list[Answer]
    notes: list[str]
    record: dict[str, Any]
    options: Options


def convert(source: Path, options: Options, progress: Progress) -> Conversion:
    """Convert one model to every target asked for.

    Each target that passes is published even if another fails; its error is in its outcome.

    Raises:
        ConversionError: The model itself cannot be read, understood or built.
    """
    progress("reading")
    with intake(source, options) as taken:
        return convert_taken(taken, options, progress)


def convert_taken(taken: Intake, options: Options, progress: Progress) -> Conversion:
    """The same, from where a framework is needed."""
    progress("building")
    job = _prepare(taken.archive, taken.description, options, progress)
    outcomes = tuple(_target(name, job, taken.destination, progress) for name in options.targets)
    code = options.custom_objects.name if options.custom_objects else ""
    return Conversion(taken.archive.path, taken.description, job.rewrites, outcomes, job.evidence, code)


def _prepare(archive: Archive, description: Description, options: Options, progress: Progress) -> _Job:
    decided = _decided(description, options)
    lowered = lower(decided.graph)
    graph, folds = fold(lowered) if options.fold else (lowered.graph, ())
    model, shapes = build_with_shapes(graph)
    names = signature(graph, model)
    if options.custom_objects:
        require_traceable(model, names)
    rewrites = (*lowered.rewrites, *folds)
    progress("running the original")
    answers, notes = _answers(decided.reference, names, options)
    evidence = _evidence(description, decided, answers)
    if options.require_proof:
        require_proof(evidence)
    verified = (
        {"atol": options.atol, "rtol": options.rtol, "seed": options.seed} if options.parity else "unverified"
    )
    record = provenance(
        archive.sha256, archive.keras_version, evidence, rewrites, options.to_json(), verified
    )
    source = {
        "file": archive.path.name,
        "sha256": archive.sha256,
        "format": archive.format,
        "keras_version": archive.keras_version,
    }
    coupled = coupling(graph, shapes)
    return _Job(
        source, decided.graph, evidence, rewrites, model, names, coupled, answers, notes, record, options
    )


def _decided(description: Description, options: Options) -> Decided:
    """The model in which the user's code has its say, if there is any."""
    if options.custom_objects is None:
        return Decided(description.graph, description.graph, frozenset(), ())
    stated = {finding.layer for finding in description.findings if finding.basis is Basis.STATED}
    return decide(description.graph, load(options.custom_objects), stated)


def _evidence(description: Description, decided: Decided, answers: list[Answer]) -> Evidence:
    """What the proof will rest on, now that it is known what is compared."""
    found = gathered(description, decided.traced, decided.layers, unseen=None)
    if not any(answer.probe.expected for answer in answers):
        return found
    blind = unseen(decided.graph, found.findings, answers)
    return gathered(description, decided.traced, decided.layers, blind)


def _answers(graph: Graph, names: Signature, options: Options) -> tuple[list[Answer], list[str]]:
    """What the original answers, and what a reader must know of the inputs."""
    if not options.parity:
        return [], []
    chosen = list(probes(names.inputs, input_hints(graph), options.seed))
    if options.samples:
        chosen = sample_probes(options.samples, options.expected, names) + chosen
    answers = Reference(graph).answers(chosen, choosy=options.custom_objects is not None)
    gc.collect()  # a Keras model is cyclic: without this its weights stay beside those of the next
    left = len(chosen) - len(answers)
    notes = [
        f"{left} of {len(chosen)} inputs that were made are none that your code takes; they are left out."
    ]
    return answers, notes if left else []


def _target(name: str, job: _Job, destination: Destination, progress: Progress) -> Outcome:
    outcome = Outcome(name)
    try:
        staged = destination.stage(name)
        with reporting_environment_errors(staged.place):
            _export(name, job, staged, progress, outcome)
            outcome.path = destination.publish(staged, job.source, outcome.entry, job.answers)
    except ConversionError as error:
        outcome.error = as_environment_error(error) or error
        if isinstance(error, ParityError) and job.options.keep_failed:
            artefact = get_target(name).artefact_name(Path(job.source["file"]).stem)
            _keep(staged.path, job.options.keep_failed, artefact)
    return outcome


def _export(name: str, job: _Job, staged: Staged, progress: Progress, outcome: Outcome) -> None:
    target = get_target(name)
    target.require_room(weight_bytes(job.graph))
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
    precision = coarsest(job.graph)
    tolerances = Tolerances(job.options.atol, job.options.rtol, precision)
    if job.options.parity:
        progress(f"comparing {name}")
        alone = prove_activations(job.graph, name, job.options.export, tolerances)
        outcome.proof = prove(artefact, job.answers, job.signature, legal, tolerances, alone)
        if own.notes:
            outcome.proof = outcome.proof.with_widened(artefact, own.graph, job.answers, own.signature, legal)
    coupled = _coupled(artefact, own, job, legal, tolerances)
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
        "taken_as_keras": job.record["taken_as_keras"],
        "rewrites": job.record["rewrites"],
        "basis": job.evidence.basis.value,
        "parity": _parity(outcome.proof, job.evidence),
        "rows_independent": not coupled,
        "rows_coupled_by": coupled,
        "inputs": [asdict(spec) for spec in artefact.inputs],
        "outputs": [asdict(spec) for spec in artefact.outputs],
        "recipe": recipe(job.source["sha256"], job.options),
        "sha256": manifest.sha256(staged.path),
        "bytes": manifest.size(staged.path),
        "notes": own.notes + job.notes + (outcome.proof.notes() if outcome.proof else []),
    }
    if outcome.proof:
        graph, export = job.graph, job.options.export
        require_parity(outcome.proof, graph, name, job.answers, export, tolerances)


def _parity(proof: Proof | None, evidence: Evidence) -> dict[str, Any] | str:
    return {"against": evidence.against, **proof.to_json()} if proof else "unverified"


def _coupled(artefact: Artefact, own: "_Own", job: _Job, legal: Signature, tolerances: Tolerances) -> str:
    """Why a server may not join rows of several clients; empty where that is proved to change no answer."""
    if own.coupled or not job.answers:
        return own.coupled or "nothing was compared"
    output = coupled_output(artefact, job.answers, job.signature, legal, tolerances)
    return output and f"output '{output}' of a row is another alone than among others"


@dataclass
class _Own:
    """What one target exports: the model that all share, or one of its own, of which ``notes`` says why.

    ``coupled`` says what keeps it from being known to work row by row, if anything does.
    """

    graph: Graph
    model: Any
    signature: Signature
    coupled: str
    notes: list[str]


def _own(target: Target, job: _Job) -> _Own:
    graph, notes = for_target(target, job.graph)
    if not notes:
        return _Own(graph, job.model, job.signature, job.coupled, notes)
    lowered = lower(graph)
    plain = fold(lowered)[0] if job.options.fold else lowered.graph
    model, shapes = build_with_shapes(plain)
    return _Own(graph, model, signature(plain, model), coupling(plain, shapes), notes)


def _renaming(original: tuple[TensorSpec, ...], legal: tuple[TensorSpec, ...]) -> dict[str, str]:
    return {spec.name: called.name for spec, called in zip(original, legal, strict=True)}


def _keep(path: Path, folder: Path, name: str) -> None:
    """Put an artefact that missed parity aside for study; it is never published."""
    with reporting_environment_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sync(path)
        with moving():
            move(path, folder / name)
