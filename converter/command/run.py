"""What the command does with its arguments: each model in turn, then the report and the exit code."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.archive import Weight, open_archive
from converter.command.output import Report
from converter.description import Description, InputShapes, describe
from converter.errors import ConversionError, UsageError
from converter.exporters import ExportOptions
from converter.graph import Graph
from converter.options import Options
from converter.preflight import intake
from converter.process import framework_startup
from converter.process.controller import overseer
from converter.process.environment_errors import lack
from converter.process.isolation import Limits, confined
from converter.process.termination import held
from converter.publishing.atomic_publish import tidied
from converter.publishing.up_to_date import is_current
from plainserve import __version__

_WORTH_READING = 2**20  # elements; a description answers at once


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Describe or convert every model.

    Args:
        arguments: As parsed.
        words: As typed, for what is told to type next.

    Returns:
        0, or the exit code of the first model that failed.

    Raises:
        UsageError: The arguments contradict each other; nothing was done.
    """
    options = _options(arguments)
    _require_distinct(arguments.models, options)
    report = Report(json=arguments.json, words=words, models=arguments.models)
    limits = _limits(arguments)
    codes = [_one(source, options, limits, report) for source in arguments.models]
    code = next((code for code in codes if code), 0)
    report.finish(__version__, code)
    return code


def _one(source: Path, options: Options, limits: Limits, report: Report) -> int:
    try:
        if not options.targets:
            return _describe(source, options, report)
        if options.skip_unchanged and is_current(source, options):
            report.unchanged(source)
            return 0
        if "tensorflow" in sys.modules:  # a process that runs it cannot be forked
            return _convert(source, options, report)
        return _convert_confined(source, options, limits, report)
    except Exception as error:
        known = lack(error) or error
        if not isinstance(known, ConversionError):
            raise
        report.failed(source, known)
        return known.exit_code


def _unseen(graph: Graph) -> Graph:
    """A graph whose large weights are not read: what will be folded is told without looking for overflows."""

    def seen(weight: Weight) -> Weight:
        return replace(weight, unseen=weight.size > _WORTH_READING)

    return graph.but(
        layers={
            name: layer.but(weights={path: seen(weight) for path, weight in layer.weights.items()})
            for name, layer in graph.layers.items()
        }
    )


def _convert_confined(source: Path, options: Options, limits: Limits, report: Report) -> int:
    """Convert in a process of its own, which prints; its entry comes back for the whole run's JSON."""
    overseer().phase(f"{source.name}: starting")

    def work() -> dict[str, Any]:
        framework_startup.settle()
        return {"code": _convert(source, options, report), "entry": report.newest}

    destination = options.repository or options.output or source.parent
    with held(), tidied(destination):
        done = confined(work, source, limits)
    report.record(done["entry"])
    return int(done["code"])


def _describe(source: Path, options: Options, report: Report) -> int:
    from converter.folding import fold  # noqa: PLC0415  likewise
    from converter.lowering.lower import lower  # noqa: PLC0415  not needed for a file that is refused

    with open_archive(source, weights=options.weights) as archive:
        own_code = options.custom_objects is not None
        description: Description = describe(archive, options.stated, options.shapes, own_code=own_code)
        lowered = lower(_unseen(description.graph))
        folds = fold(lowered)[1] if options.fold else ()
        report.described(archive, description, (*lowered.rewrites, *folds))
    return 0


def _convert(source: Path, options: Options, report: Report) -> int:
    with report.progress(source) as progress:
        progress("reading")
        with intake(source, options) as taken:
            progress("starting TensorFlow")
            framework_startup.start()
            from converter.pipeline import convert_taken  # noqa: PLC0415  it imports TensorFlow

            conversion = convert_taken(taken, options, progress)
    report.converted(conversion)
    errors = [outcome.error for outcome in conversion.outcomes if outcome.error]
    return errors[0].exit_code if errors else 0


def _limits(arguments: argparse.Namespace) -> Limits:
    for name in ("timeout", "max_memory"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} needs a positive number, not {value}")
    memory = None if arguments.max_memory is None else arguments.max_memory * 2**20
    return Limits(memory, arguments.timeout)


def _options(arguments: argparse.Namespace) -> Options:
    if arguments.batch is not None and arguments.batch < 1:
        raise UsageError(f"--batch needs a positive number, not {arguments.batch}")
    for name in ("atol", "rtol"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"--{name} needs a number that is not negative, not {value}")
    if arguments.seed < 0:
        raise UsageError(f"--seed needs a number that is not negative, not {arguments.seed}")
    return Options(
        targets=tuple(dict.fromkeys(arguments.to)),
        output=arguments.output,
        repository=arguments.repository,
        name=arguments.name,
        skip_unchanged=arguments.skip_unchanged,
        weights=arguments.weights,
        stated=_stated(arguments.activation),
        shapes=InputShapes.parse(arguments.input_shape, arguments.batch),
        export=ExportOptions(opset=arguments.opset),
        fold=not arguments.no_fold,
        parity=not arguments.no_parity,
        atol=arguments.atol,
        rtol=arguments.rtol,
        seed=arguments.seed,
        custom_objects=arguments.custom_objects,
        samples=arguments.samples,
        expected=arguments.expected,
        require_proof=arguments.require_proof,
        keep_failed=arguments.keep_failed,
        allow_nonfinite=arguments.allow_nonfinite,
    )


def _stated(texts: list[str]) -> dict[str, str]:
    stated: dict[str, str] = {}
    for text in texts:
        layer, separator, formula = text.partition("=")
        if not separator or not layer or layer in stated:
            raise UsageError(f"--activation needs LAYER=FORMULA, once per layer, not '{text}'")
        stated[layer] = formula
    return stated


def _require_distinct(models: list[Path], options: Options) -> None:
    seen: dict[Any, Path] = {}
    for model in models:
        place = (options.output or model.parent).resolve(), model.stem
        if options.targets and not options.repository and place in seen:
            raise UsageError(
                f"'{seen[place]}' and '{model}' would both become '{model.stem}.*' in one folder",
                hint="Convert them into different --output folders.",
            )
        seen[place] = model
    if options.weights and len(models) > 1:
        raise UsageError("--weights is for one model")
    if options.name and len(models) > 1:
        raise UsageError("--name is for one model; without it each has the name of its file")
