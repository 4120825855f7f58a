"""Our server against a bare grpcio server that answers a constant, on the same event loop.

    python benchmarks/rpc.py [--rounds 5] [--seconds 2]

The two take turns, since a machine's speed drifts; the figure that counts is the ratio of the medians.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from serving_load import add_model, h2load, mlp, plainserve, process, request

SIZES = (784, 64, 10)
CONNECTIONS = (1, 8, 32)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="our server against a bare grpcio server")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        add_model(folder / "models", "small", mlp(SIZES))
        body = request("small", SIZES[0])
        bare_server = str(Path(__file__).with_name("bare_server.py"))
        with plainserve(folder / "models") as ours, process(bare_server, str(SIZES[-1])) as bare:
            print(
                f"| connections | bare grpcio | plainserve | ratio, of {options.rounds} rounds (least, most) |"
            )
            print("|---|---|---|---|")
            for connections in CONNECTIONS:
                rates: dict[str, list[float]] = {bare: [], ours: []}
                for _ in range(options.rounds):
                    for address, found in rates.items():
                        found.append(
                            h2load(address, body, folder, connections=connections, seconds=options.seconds)
                        )
                ratios = [mine / theirs for mine, theirs in zip(rates[ours], rates[bare], strict=True)]
                print(
                    f"| {connections} | {median(rates[bare]):,.0f}/s | {median(rates[ours]):,.0f}/s "
                    f"| {median(ratios):.0%} ({min(ratios):.0%}, {max(ratios):.0%}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
