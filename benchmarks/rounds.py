"""Measures the contenders of a workload in turn, round after round, because a machine's speed drifts."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders.contender import Contender, Measure, Setting, make_certificate
from benchmarks.load.sample import LoadError, Sample
from benchmarks.processes import StartError
from benchmarks.workloads import Prepared, Workload, prepare


@dataclass
class Results:
    """What a workload showed.

    Attributes:
        workload: The workload.
        samples: By the title of a contender, one for each round.
        absent: By title, why there are none.
    """

    workload: Workload
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def measure(workload: Workload, contenders: Sequence[Contender], rounds: int, seconds: float) -> Results:
    """Measure contenders under a workload.

    Args:
        workload: The workload.
        contenders: What is compared. They all run until the end; those whose turn it is not wait for requests.
        rounds: How often each is measured.
        seconds: How long each time.
    """
    results = Results(workload)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        prepared = prepare(workload, folder)
        running = _start(prepared, contenders, folder, stack, results)
        for number in range(rounds):
            for title, load in list(running.items()):
                _say(f"{workload.title}: round {number + 1} of {rounds}, {title}")
                try:
                    results.samples.setdefault(title, []).append(load(seconds))
                except LoadError as error:
                    results.samples.pop(title, None)
                    results.absent[title] = str(error)
                    del running[title]
        _say(f"{workload.title}: stopping")
    _say("")
    return results


def _start(
    prepared: Prepared, contenders: Sequence[Contender], folder: Path, stack: ExitStack, results: Results
) -> dict[str, Measure]:
    """Start those that can be measured, and note why the others cannot."""
    running: dict[str, Measure] = {}
    certificate = make_certificate(folder) if prepared.workload.tls else None
    for at, contender in enumerate(contenders):
        _say(f"{prepared.workload.title}: starting {contender.title}")
        if (reason := contender.absent(prepared.workload)) is not None:
            if reason:
                results.absent[contender.title] = reason
            continue
        own = folder / str(at)
        own.mkdir()
        try:
            running[contender.title] = stack.enter_context(
                contender.running(Setting(prepared, own, certificate))
            )
        except (StartError, LoadError) as error:
            results.absent[contender.title] = str(error)
    return running


def _say(text: str) -> None:
    """Show progress: one line that is written again where a person looks, and nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
