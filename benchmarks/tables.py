"""The tables of a comparison, in Markdown."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median, quantiles

from benchmarks.load.sample import Sample
from benchmarks.rounds import Results

MEGABYTE = 1e6
DETAILS = (
    "server", "requests/s", "quartiles", "processor time a request, us", "p99, ms", "peak memory, MB",
    "requests/s, relative", "processor time, relative",
)  # fmt: skip


def ratios(results: Sequence[Results], ours: str) -> str:
    """How one contender compares with each of the others, a row for each workload.

    Args:
        results: The results of all workloads.
        ours: The title of that contender.
    """
    others = [
        title for title in _titles(results) if not title.startswith("plainserve") or "workers" not in title
    ]
    others = [title for title in others if title != ours]
    rows = [
        [each.workload.title, *(_ratio_cell(each, ours, other) for other in others)]
        for each in results
        if ours in each.samples
    ]
    return _markdown(["workload", *others], rows)


def _ratio_cell(results: Results, ours: str, other: str) -> str:
    """Requests per second and processor time, as multiples of another contender's; a dash if it has none."""
    if other not in results.samples:
        return "-"
    rate = ratio(results, ours, other, lambda sample: sample.rate)
    cpu = ratio(results, ours, other, lambda sample: sample.cpu)
    return f"{rate:.2f}, {cpu:.2f}"


def ratio(results: Results, ours: str, other: str, value: Callable[[Sample], float]) -> float:
    """The median, over the rounds, of a value of one contender divided by that of another."""
    pairs = zip(results.samples[ours], results.samples[other], strict=False)
    return median(value(mine) / max(value(theirs), 1e-9) for mine, theirs in pairs)


def details(results: Results, ours: str) -> str:
    """All values of one workload, a row for each contender; relative values are those of ``ours`` to the row's."""
    rows = [[title, *_cells(results, title, ours)] for title in results.samples]
    text = _markdown(DETAILS, rows)
    absent = "".join(f"\n- {title}: {reason}" for title, reason in results.absent.items())
    return f"{text}\n\nNot measured:\n{absent}" if absent else text


def _cells(results: Results, title: str, ours: str) -> Iterator[str]:
    samples = results.samples[title]
    rates = [each.rate for each in samples]
    yield f"{median(rates):,.0f}"
    low, _, high = quantiles(rates, n=4, method="inclusive") if len(rates) > 1 else rates * 3
    yield f"{low:,.0f} to {high:,.0f}"
    yield f"{median(each.cpu for each in samples) * 1e6:,.0f}"
    yield f"{median(each.p99 for each in samples) * 1e3:,.1f}"
    yield f"{max(each.memory for each in samples) / MEGABYTE:,.0f}"
    if title == ours or ours not in results.samples:
        yield from ("", "")
        return
    yield f"{ratio(results, ours, title, lambda sample: sample.rate):.2f}"
    yield f"{ratio(results, ours, title, lambda sample: sample.cpu):.2f}"


def _titles(results: Sequence[Results]) -> list[str]:
    """The titles of all contenders that were measured, in their order."""
    return list(dict.fromkeys(title for each in results for title in each.samples))


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned; those after the first to the right."""
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        return f"| {' | '.join(aligned)} |"

    rule = f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|"
    return "\n".join([line(head), rule, *map(line, rows)])
