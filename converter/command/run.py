"""Runs the command: describes or converts one model after the other, then prints the report."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from converter.archive import Weight, open_archive
from converter.command.output import Report
from converter.command.requested_options import limits_from, options_from, require_distinct
from converter.description import Description, describe
from converter.errors import ConversionError
from converter.graph import Graph
from converter.options import Options
from converter.preflight import preflight
from converter.process import framework_startup
from converter.process.environment_errors import as_environment_error
from converter.process.isolation import Limits, confined
from converter.process.supervisor import supervisor
from converter.process.termination import termination_deferred
from converter.publishing.atomic_publish import cleaned_up_after
from converter.publishing.up_to_date import is_current
from plainserve import __version__

_LARGEST_READ = 2**20  # elements; larger weights are not read for a description, which must be fast


def run(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Describe or convert every model.

    Args:
        arguments: The parsed arguments.
        words: The arguments as typed, from which the report makes suggestions.

    Returns:
        0, or the exit code of the first model that failed.

    Raises:
        UsageError: The arguments contradict each other; nothing was done.
    """
    options = options_from(arguments)
    require_distinct(arguments.models, options)
    report = Report(json=arguments.json, words=words, models=arguments.models)
    limits = limits_from(arguments)
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
        if "tensorflow" in sys.modules:  # a process in which TensorFlow runs cannot be forked
            return _convert(source, options, report)
        return _convert_confined(source, options, limits, report)
    except Exception as error:
        known = as_environment_error(error) or error
        if not isinstance(known, ConversionError):
            raise
        report.failed(source, known)
        return known.exit_code


def _unseen(graph: Graph) -> Graph:
    """A copy in which large weights are not read, so that folding is described without checking for overflows."""

    def seen(weight: Weight) -> Weight:
        return replace(weight, unseen=weight.size > _LARGEST_READ)

    return graph.but(
        layers={
            name: layer.but(weights={path: seen(weight) for path, weight in layer.weights.items()})
            for name, layer in graph.layers.items()
        }
    )


def _convert_confined(source: Path, options: Options, limits: Limits, report: Report) -> int:
    """Convert in a child process, which prints the result; the entry comes back for the JSON of the whole run."""
    supervisor().phase(f"{source.name}: starting")

    def work() -> dict[str, Any]:
        framework_startup.set_environment()
        return {"code": _convert(source, options, report), "entry": report.newest}

    destination = options.repository or options.output or source.parent
    with termination_deferred(), cleaned_up_after(destination):
        done = confined(work, source, limits)
    report.record(done["entry"])
    return int(done["code"])


def _describe(source: Path, options: Options, report: Report) -> int:
    from converter.folding import fold  # noqa: PLC0415  not needed for a file that is refused
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
        with preflight(source, options) as checked:
            progress("starting TensorFlow")
            framework_startup.start()
            from converter.pipeline import convert_checked  # noqa: PLC0415  it imports TensorFlow

            conversion = convert_checked(checked, options, progress)
    report.converted(conversion)
    errors = [outcome.error for outcome in conversion.outcomes if outcome.error]
    return errors[0].exit_code if errors else 0
