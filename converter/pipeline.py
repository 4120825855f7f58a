"""Converts one model, from its file to published artefacts.

preflight     read and check the file, describe it, open the destination
prepare       lower, fold, build, run the original
for each target format
export    write the artefact into a staging folder
check     open it in its own runtime
compare   prove parity with the original, and the independence of rows
publish   move it to its place, with its manifest
"""

import gc
from dataclasses import replace
from pathlib import Path

from converter.artefacts.contract import Artefact
from converter.artefacts.runtimes import open_artefact
from converter.conversion import Conversion, Outcome
from converter.errors import ConversionError, ParityError
from converter.exportable_model import ExportableModel, exportable_for
from converter.exporters.target_formats import get_target
from converter.options import Options
from converter.parity.acceptance import require_parity
from converter.parity.activation_proof import prove_activations
from converter.parity.model_proof import prove, prove_widened
from converter.parity.proof import Proof
from converter.parity.tolerance_settings import ToleranceSettings, coarsest
from converter.preflight import CheckedModel, preflight, weight_bytes
from converter.preparation import PreparedModel, Progress, prepare
from converter.process.environment_errors import as_environment_error, reporting_environment_errors
from converter.publishing.destination import Destination
from converter.publishing.failed_artefact import keep_failed
from converter.publishing.manifest_entry import manifest_entry
from converter.publishing.staged_artefact import StagedArtefact
from converter.publishing.up_to_date import recipe
from converter.row_independence.measurement import coupled_output
from converter.signature import Signature


def convert(source: Path, options: Options, progress: Progress) -> Conversion:
    """Convert one model to every target format of the options.

    Each target that passes is published even if another fails; the error is in the outcome of the latter.

    Raises:
        ConversionError: The model itself cannot be read, understood or built.
    """
    progress("reading")
    with preflight(source, options) as checked:
        return convert_checked(checked, options, progress)


def convert_checked(checked: CheckedModel, options: Options, progress: Progress) -> Conversion:
    """The part of ``convert`` that needs a framework."""
    model = prepare(checked, options, progress)
    outcomes = tuple(
        _convert_to(name, model, checked.destination, options, progress) for name in options.targets
    )
    code = options.custom_objects.name if options.custom_objects else ""
    return Conversion(
        checked.archive.path, checked.description, model.rewrites, outcomes, model.evidence, code
    )


def _convert_to(
    name: str, model: PreparedModel, destination: Destination, options: Options, progress: Progress
) -> Outcome:
    """Convert a model to one target format, and publish the artefact."""
    outcome = Outcome(name)
    try:
        staged = destination.stage(name)
        with reporting_environment_errors(staged.place):
            _make_artefact(outcome, model, staged, options, progress)
            outcome.path = destination.publish(staged, model.source, outcome.entry, model.answers)
    except ConversionError as error:
        outcome.error = as_environment_error(error) or error
        if isinstance(error, ParityError) and options.keep_failed:
            artefact = get_target(name).artefact_name(Path(model.source["file"]).stem)
            keep_failed(staged.path, options.keep_failed, artefact)
    return outcome


def _make_artefact(
    outcome: Outcome, model: PreparedModel, staged: StagedArtefact, options: Options, progress: Progress
) -> None:
    """Export, check and compare one artefact; its entry and its proof are put into the outcome."""
    name = outcome.target
    target = get_target(name)
    target.require_room(weight_bytes(model.graph))
    exportable = exportable_for(target, model.exportable, folding=options.fold)
    legal = target.legalise(exportable.signature)

    progress(f"exporting {name}")
    target.export(exportable.model, legal, staged.path, model.provenance, options.export)
    _release(exportable, model, last=name == options.targets[-1])

    progress(f"checking {name}")
    artefact = open_artefact(name, staged.path)
    artefact.check()

    tolerances = ToleranceSettings(options.atol, options.rtol, coarsest(model.graph))
    if options.parity:
        progress(f"comparing {name}")
        outcome.proof = _prove(artefact, outcome, exportable, model, legal, options, tolerances)
    outcome.entry = manifest_entry(
        artefact,
        staged.path,
        target=name,
        original=model.exportable.signature,
        legal=legal,
        provenance=model.provenance,
        proof=outcome.proof,
        against=model.evidence.against,
        coupling=_row_coupling(artefact, exportable, model, legal, tolerances),
        recipe=recipe(model.source["sha256"], options),
        notes=[*exportable.notes, *model.notes],
    )
    if outcome.proof:
        require_parity(outcome.proof, model.graph, name, model.answers, options.export, tolerances)


def _release(exported: ExportableModel, model: PreparedModel, *, last: bool) -> None:
    """Free the memory of a Keras model that no other target exports."""
    if exported is not model.exportable:
        exported.release()
    if last:
        model.exportable.release()
    gc.collect()


def _prove(
    artefact: Artefact,
    outcome: Outcome,
    exported: ExportableModel,
    model: PreparedModel,
    legal: Signature,
    options: Options,
    tolerances: ToleranceSettings,
) -> Proof:
    alone = prove_activations(model.graph, outcome.target, options.export, tolerances)
    proof = prove(artefact, model.answers, model.exportable.signature, legal, tolerances, alone)
    if exported is model.exportable:
        return proof
    widened = prove_widened(artefact, exported.graph, model.answers, exported.signature, legal)
    return replace(proof, widened=widened)


def _row_coupling(
    artefact: Artefact,
    exported: ExportableModel,
    model: PreparedModel,
    legal: Signature,
    tolerances: ToleranceSettings,
) -> str:
    """Why a server may not join rows of several requests; empty if joining is proved to change no output."""
    if exported.coupling or not model.answers:
        return exported.coupling or "nothing was compared"
    output = coupled_output(artefact, model.answers, model.exportable.signature, legal, tolerances)
    return output and f"output '{output}' for a row depends on the other rows of its batch"
