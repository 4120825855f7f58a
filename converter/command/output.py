"""Prints the results: tables on stdout or, with ``--json``, one object; warnings and errors on stderr."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from converter.archive import Archive
from converter.command.tables import (
    add_row,
    artefact_row,
    escaped_name,
    listed_layers,
    plain_table,
    shape_text,
)
from converter.command.unproved_warning import UnprovedWarning, unproved_warning, without_others
from converter.description import Description
from converter.description.assumed_built_ins import layers_by_name
from converter.errors import ConversionError, printable
from converter.lowering.lower import Rewrite
from converter.process.environment_errors import reporting_environment_errors
from converter.process.supervisor import supervisor

if TYPE_CHECKING:
    from converter.conversion import Conversion, Outcome

_WIDTH_WHEN_PIPED = 160


class Report:
    """Collects and prints the results of one run."""

    def __init__(self, *, json: bool, words: Sequence[str], models: Sequence[Path]) -> None:
        self._json = json
        self._words = words
        self._sources = models
        self._models: list[dict[str, Any]] = []
        width = None if sys.stdout.isatty() else _WIDTH_WHEN_PIPED
        self._out = Console(width=width, highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, source: Path) -> Iterator[Callable[[str], None]]:
        """Report the phases of a model; their durations go into the JSON."""
        phases: dict[str, float] = {}
        started: list[tuple[str, float]] = []

        def close() -> None:
            if started:
                name, since = started.pop()
                phases[name] = round(phases.get(name, 0.0) + time.perf_counter() - since, 3)

        def phase(text: str) -> None:
            close()
            started.append((text, time.perf_counter()))
            supervisor().phase(f"{source.name}: {text}")

        yield phase
        close()
        self._phases = phases

    @property
    def newest(self) -> dict[str, Any]:
        """The entry of the model that was reported last."""
        return self._models[-1]

    def record(self, entry: dict[str, Any]) -> None:
        """Add an entry that a child process reported and printed."""
        self._models.append(entry)

    def described(self, archive: Archive, description: Description, rewrites: Sequence[Rewrite]) -> None:
        """Report a model that was only described."""
        entry = {
            "source": {
                "file": str(archive.path),
                "format": archive.format,
                "keras_version": archive.keras_version,
            },
            **description.to_json(),
            "rewrites": [rewrite.to_json() for rewrite in rewrites],
        }
        self._models.append(entry)
        if self._json:
            return
        count = f"{description.parameters:,} parameters in {len(description.graph.layers)} layers"
        self._print(
            f"[bold]{escaped_name(archive.path)}[/]  {archive.format}, Keras {archive.keras_version}, {count}"
        )
        table = plain_table()
        for spec in description.inputs:
            add_row(table, "input", spec.name, f"{spec.dtype} {shape_text(spec.shape)}")
        for name in entry["outputs"]:
            add_row(table, "output", name, "")
        for finding in description.findings:
            add_row(table, "activation", finding.layer, f"{finding.activation.formula}   ({finding.why})")
        for name, layers in layers_by_name(description.assumed_built_ins).items():
            add_row(table, "built-in", listed_layers(layers), f"{name}, taken as Keras's own")
        for rewrite in rewrites:
            add_row(table, "rewrite" if rewrite.done else "left", rewrite.layer, rewrite.what)
        if not description.findings:
            add_row(table, "activation", "-", "none of PSS, SS, RationalSS, PolynomialSS")
        self._print(table)

    def converted(self, conversion: "Conversion") -> None:
        """Report a model with the outcome for each target."""
        warned = self._warned(conversion)
        self._models.append(
            {
                "source": {"file": str(conversion.source)},
                **conversion.description.to_json(),
                "activations": [finding.to_json() for finding in conversion.evidence.findings],
                "taken_as_keras": [each.to_json() for each in conversion.evidence.assumed_built_ins],
                "basis": conversion.evidence.basis.value,
                "warnings": [warned.to_json()] if warned else [],
                "rewrites": [rewrite.to_json() for rewrite in conversion.rewrites],
                "artefacts": [_outcome(outcome) for outcome in conversion.outcomes],
                "seconds": self._phases,
            }
        )
        for outcome in conversion.outcomes:
            if outcome.error:
                self._print_error(conversion.source, outcome.error)
        done = [outcome for outcome in conversion.outcomes if not outcome.error]
        if done and not self._json:
            self._print_outcomes(conversion, done)
        if done and warned:
            self._print_warning(conversion.source, warned)

    def _print_outcomes(self, conversion: "Conversion", done: Sequence["Outcome"]) -> None:
        """Print a table of what was published, and the notes."""
        formulas = (
            ", ".join(dict.fromkeys(f.activation.formula for f in conversion.evidence.findings)) or "none"
        )
        against = f"   (compared with your own code, {conversion.code})" if conversion.code else ""
        self._print(f"[bold]{escaped_name(conversion.source)}[/]  {escape(formulas + against)}")
        table = plain_table(
            "format", "operators", "max error", "mean error", "top-1", "basis", "KiB", "written to"
        )
        for outcome in done:
            add_row(table, *artefact_row(outcome.entry, outcome.proof), str(outcome.path))
        if not sys.stdout.isatty():  # keep a path on one line
            self._out.width = _WIDTH_WHEN_PIPED + max(len(str(outcome.path)) for outcome in done)
        self._print(table)
        for note in dict.fromkeys(note for outcome in done for note in outcome.entry.get("notes", [])):
            self._print(f" note: {escape(note)}")

    def unchanged(self, source: Path) -> None:
        """Report a model that was skipped because its newest versions are up to date."""
        self._models.append({"source": {"file": str(source)}, "unchanged": True})
        if not self._json:
            self._print(f"[bold]{escaped_name(source)}[/]  unchanged")

    def failed(self, source: Path, error: ConversionError) -> None:
        """Report a model that could not be read, understood or built."""
        self._models.append({"source": {"file": str(source)}, "error": _error(error)})
        self._print_error(source, error)

    def finish(self, version: str, code: int) -> None:
        """Print the JSON object, with ``--json``."""
        if self._json:
            whole = {"plainserve": version, "exit_code": code, "models": self._models}
            with printing():
                sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def _print(self, what: str | Table) -> None:
        """Print without the spaces that pad the last column of a table."""
        with printing():
            with self._out.capture() as captured:
                self._out.print(what)
            sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())

    def _warned(self, conversion: "Conversion") -> UnprovedWarning | None:
        """The warning for a model whose formulas are only stated or assumed; None for others."""
        if not conversion.evidence.unproved:
            return None
        inputs = [spec.name for spec in conversion.description.inputs]
        outputs = [name for name, _ in conversion.description.graph.outputs]
        words = without_others(self._words, conversion.source, self._sources)
        return unproved_warning(conversion.evidence.unproved, inputs, outputs, words)

    def _print_warning(self, source: Path, warned: UnprovedWarning) -> None:
        lines = [
            f"convert: [yellow]warning[/]: {escape(printable(f'{source.name}: {warned.what}'))}",
            "[dim]  Record answers where the model is in memory, and compare with those:[/]",
            *(f"    {escape(printable(line))}" for line in (*warned.code, warned.command)),
        ]
        self._print_to_stderr("\n".join(lines))

    def _print_error(self, source: Path, error: ConversionError) -> None:
        text = str(error)
        name = printable(source.name)
        prefix = "" if name in text.splitlines()[0] else f"{name}: "
        self._print_to_stderr(escape(f"convert: {prefix}{text}"))

    def _print_to_stderr(self, markup: str) -> None:
        supervisor().printing()
        with contextlib.suppress(OSError):  # stderr is closed
            with self._err.capture() as captured:
                self._err.print(markup)
            sys.stderr.write(captured.get())
            sys.stderr.flush()


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print to stdout in this block.

    Raises:
        EnvironmentLacksError: stdout cannot be written.
        BrokenPipeError: Its reader is gone.
    """
    supervisor().printing()
    with reporting_environment_errors(Path("stdout")):
        yield
        sys.stdout.flush()


def _outcome(outcome: "Outcome") -> dict[str, Any]:
    if outcome.error:
        return {
            "target": outcome.target,
            "error": _error(outcome.error),
            "parity": outcome.entry.get("parity"),
        }
    return {**outcome.entry, "path": str(outcome.path)}


def _error(error: ConversionError) -> dict[str, Any]:
    return {"exit_code": error.exit_code, "what": error.what, "where": error.where, "hint": error.hint}
