"""The tables that the command prints, as plain text that names from a file cannot format."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from converter.errors import printable

if TYPE_CHECKING:  # it imports Keras
    from converter.parity.proof import Proof


def artefact_row(entry: dict[str, Any], proof: "Proof | None") -> tuple[str, ...]:
    """Format, operators, largest and mean error, top-1 agreement, basis and size of one artefact."""
    operators = " ".join(f"{name}x{n}" if n > 1 else name for name, n in entry["operators"].items())
    metrics = _metrics(proof) if proof else ("unverified", "", "")
    return entry["target"], operators, *metrics, entry["basis"], f"{entry['bytes'] / 1024:,.0f}"


def _metrics(proof: "Proof") -> tuple[str, str, str]:
    outputs = list(proof.outputs.values())
    agreement = [metrics.top1.share for metrics in outputs if metrics.top1]
    return (
        f"{max(metrics.max_absolute for metrics in outputs):.2g}",
        f"{max(metrics.mean_absolute for metrics in outputs):.2g}",
        f"{min(agreement):.2%}" if agreement else "-",
    )


def plain_table(*headers: str) -> Table:
    """A table without lines; numbers are aligned to the right."""
    table = Table(box=None, pad_edge=True, show_header=bool(headers), header_style="dim")
    for header in headers or ("", "", ""):
        table.add_column(
            header,
            justify="right" if "error" in header or header in {"KiB", "top-1"} else "left",
            overflow="fold",  # a path is never cut
        )
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row of plain text: a layer may be called ``[/x]``, which would be markup, or hold control characters."""
    table.add_row(*(escape(printable(cell)) for cell in cells))


def escaped_name(path: Path) -> str:
    """The name of a file as plain text."""
    return escape(printable(path.name))


def listed_layers(layers: Sequence[str]) -> str:
    """The first of several layers, and how many more there are."""
    more = f" and {len(layers) - 3} more" if len(layers) > 4 else ""
    return ", ".join(layers[:3] if more else layers) + more


def shape_text(shape: tuple[int | None, ...]) -> str:
    """Such as ``(batch, 28, 28, 1)``; ``?`` for other free sizes."""
    return (
        "(" + ", ".join("batch" if i == 0 and s is None else str(s or "?") for i, s in enumerate(shape)) + ")"
    )
