"""Turns the parsed arguments of the command into options and limits, and checks them."""

import argparse
from pathlib import Path
from typing import Any

from converter.description import InputShapes
from converter.errors import UsageError
from converter.exporters.contract import ExportOptions
from converter.options import Options
from converter.process.isolation import Limits


def limits_from(arguments: argparse.Namespace) -> Limits:
    """The budget of each model.

    Raises:
        UsageError: A limit is not a positive number.
    """
    for name in ("timeout", "max_memory"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name.replace('_', '-')} needs a positive number, not {value}")
    memory = None if arguments.max_memory is None else arguments.max_memory * 2**20
    return Limits(memory, arguments.timeout)


def options_from(arguments: argparse.Namespace) -> Options:
    """The options of the run.

    Raises:
        UsageError: A value is out of range, or options contradict each other.
    """
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


def require_distinct(models: list[Path], options: Options) -> None:
    """Refuse several models that would overwrite each other's artefacts, or share an option for one model.

    Raises:
        UsageError: They would.
    """
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
