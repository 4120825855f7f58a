"""The plot of a comparison: requests per second and processor time a request, over the number of connections."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.load.sample import Sample
from benchmarks.rounds import Results

WORKLOADS = ("c1", "c8", "c32", "c128")
STYLE = {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}
OTHERS = ("#7f7f7f", "#1f77b4", "#17becf", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#bcbd22")
OURS = ("#d62728", "#ff9896")
LABEL_GAP = 0.06
"""The least distance between two labels, as a share of the height of a panel."""


def draw(results: Sequence[Results], file: Path) -> None:
    """Draw the workloads that differ only in the number of connections; bars go from quartile to quartile."""
    found = [each for each in results if each.workload.key in WORKLOADS]
    titles = [
        title for title in dict.fromkeys(t for each in found for t in each.samples) if "workers" not in title
    ]
    with mpl.rc_context(STYLE):
        figure, (rate, cpu) = plt.subplots(1, 2, figsize=(12, 5), sharex=True, layout="constrained")
        colours = _colours(titles)
        _panel(rate, found, colours, lambda sample: sample.rate, "requests per second (more is better)")
        _panel(
            cpu,
            found,
            colours,
            lambda sample: sample.cpu * 1e6,
            "processor time a request, us (less is better)",
        )
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)


def _colours(titles: Sequence[str]) -> dict[str, str]:
    ours = [title for title in titles if title.startswith("plainserve")]
    others = [title for title in titles if title not in ours]
    pairs = [*zip(ours, OURS, strict=False), *zip(others, OTHERS, strict=False)]
    return dict(pairs)


def _panel(
    axes: Axes,
    results: Sequence[Results],
    colours: dict[str, str],
    value: Callable[[Sample], float],
    label: str,
) -> None:
    ends: list[tuple[float, str]] = []
    for title, colour in colours.items():
        here = [each for each in results if title in each.samples]
        if not here:
            continue
        lines = [_quartiles([value(sample) for sample in each.samples[title]]) for each in here]
        middle = [each[1] for each in lines]
        bars = [[each[1] - each[0] for each in lines], [each[2] - each[1] for each in lines]]
        width = 2.4 if title.startswith("plainserve") else 1.2
        axes.errorbar(
            [each.workload.connections for each in here],
            middle,
            bars,
            color=colour,
            lw=width,
            marker="o",
            ms=4,
        )
        ends.append((middle[-1], title))
    axes.set(xscale="log", yscale="log", xlabel="connections", title=label)
    axes.set_xticks(
        [each.workload.connections for each in results], [str(each.workload.connections) for each in results]
    )
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _label(axes, ends, colours)


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _label(axes: Axes, ends: list[tuple[float, str]], colours: dict[str, str]) -> None:
    """Write each title beside the end of its line, moved up where two would overlap."""
    lowest = 0.0
    for end, title in sorted(ends):
        _, at = axes.transAxes.inverted().transform(axes.transData.transform((1, end)))
        at = max(at, lowest)
        axes.text(1.02, at, title, transform=axes.transAxes, color=colours[title], va="center")
        lowest = at + LABEL_GAP
