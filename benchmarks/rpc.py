"""Compares the server with a bare grpcio server that answers a constant, on the same event loop.

    python benchmarks/rpc.py [--rounds 9] [--seconds 1]

The two are measured alternately, because a machine's speed drifts. The ratio is taken for each round, and the median
of the ratios is shown. On a busy machine, use the processor time of a request instead.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median, quantiles

from serving_load import Load, add_model, h2load, mlp, plainserve, process, request

SIZES = (784, 64, 10)
CONNECTIONS = (1, 8, 32)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="compare the server with a bare grpcio server")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        add_model(folder / "models", "small", mlp(SIZES))
        body = request("small", SIZES[0])
        bare_server = str(Path(__file__).with_name("bare_server.py"))
        with plainserve(folder / "models") as ours, process(bare_server, str(SIZES[-1])) as bare:
            print(
                "| connections | bare | plainserve | requests/s (quartiles) | processor: bare | plainserve |"
            )
            print("|---|---|---|---|---|---|")
            for connections in CONNECTIONS:
                loads = [
                    [
                        h2load(server, body, folder, connections=connections, seconds=options.seconds)
                        for server in (bare, ours)
                    ]
                    for _ in range(options.rounds)
                ]
                print(_row(connections, loads), flush=True)


def _row(connections: int, loads: list[list[Load]]) -> str:
    """One row of the table, from the loads of the bare server and of Plainserve in each round."""
    low, middle, high = quantiles([ours.rate / bare.rate for bare, ours in loads], n=4)
    bare_cpu, our_cpu = (median(each.cpu for each in side) * 1e6 for side in zip(*loads, strict=True))
    rates = " | ".join(f"{median(each.rate for each in side):,.0f}/s" for side in zip(*loads, strict=True))
    return (
        f"| {connections} | {rates} | {middle:.0%} ({low:.0%} to {high:.0%}) "
        f"| {bare_cpu:.0f} us | {our_cpu:.0f} us |"
    )


if __name__ == "__main__":
    main()
