"""Writes the result of a comparison into docs/performance.md, between two markers."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks import plot
from benchmarks.processes import ROOT
from benchmarks.rounds import Results
from benchmarks.tables import details, ratios

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


def text(results: Sequence[Results], ours: str, rounds: int, seconds: float) -> str:
    """The result in Markdown."""
    workloads = "\n\n".join(f"### {each.workload.title}\n\n{details(each, ours)}" for each in results)
    return (
        f"{rounds} rounds of {seconds:g} s for each server and workload, {os.cpu_count()} processors"
        f" ({_processor()}).\n\n"
        f"The values of `{ours}` relative to those of each other server: requests per second (more is better), then\n"
        "processor time a request (less is better). Each is the median of the ratios of the rounds.\n\n"
        f"{ratios(results, ours)}\n\n{workloads}"
    )


def write(content: str, results: Sequence[Results], page: Path = PAGE, picture: Path = PLOT) -> None:
    """Replace what is between the markers of a page, and draw the plot beside it.

    Raises:
        ValueError: The page has no markers.
    """
    before, found, rest = page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{page} needs the lines {BEGIN} and {END}")
    plot.draw(results, picture)
    image = f"![Requests per second and processor time over connections]({picture.name})"
    page.write_text(f"{before}{BEGIN}\n\n{image}\n\n{content}\n\n{END}{after}")


def _processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"
