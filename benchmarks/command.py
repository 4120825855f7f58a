"""The command ``python -m benchmarks``: what is compared, and where the result goes."""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import page
from benchmarks.contenders import constants, peers, plainserve
from benchmarks.contenders.contender import Contender
from benchmarks.contenders.in_process import InProcess
from benchmarks.load.h2load import missing
from benchmarks.rounds import Results, measure
from benchmarks.tables import details
from benchmarks.workloads import WORKLOADS

KEYS = [each.key for each in WORKLOADS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the page if every workload was measured.

    Raises:
        SystemExit: h2load is missing, or the arguments are wrong.
    """
    options = _options(arguments)
    if reason := missing():
        raise SystemExit(reason)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    contenders: list[Contender] = [*plainserve.contenders(), *constants.contenders(), InProcess()]
    if options.peers:
        contenders += peers.contenders()
    ours = contenders[0].title
    results = []
    for workload in WORKLOADS:
        if workload.key in (options.only or KEYS):
            results.append(measure(workload, contenders, options.rounds, options.seconds))
            print(f"\n{workload.title}\n\n{details(results[-1], ours)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([_plain(each) for each in results], indent=1))
    if not options.only:
        page.write(page.text(results, ours, options.rounds, options.seconds), results)
        print(f"\nwritten: {page.PAGE}, {page.PLOT}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare Plainserve with other servers. Without --only, write docs/performance.md.",
    )
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each server (default: 9)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each (default: 1)")
    parser.add_argument(
        "--only", nargs="+", choices=KEYS, metavar="WORKLOAD", help=f"among {', '.join(KEYS)}"
    )
    parser.add_argument("--peers", action="store_true", help="compare with other model servers too")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write every measurement to a file")
    return parser.parse_args(arguments)


def _plain(results: Results) -> dict[str, object]:
    """Results as JSON can hold them."""
    return {
        "workload": asdict(results.workload),
        "samples": {title: [asdict(each) for each in samples] for title, samples in results.samples.items()},
        "absent": results.absent,
    }
