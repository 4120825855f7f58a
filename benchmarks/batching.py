"""Measures the gain of batching: four layers of 1024 units, 32 connections with one request in progress each.

    python -m benchmarks.batching [--rounds 9] [--seconds 1]

``alone`` runs each request by itself. ``gathered`` runs the requests together that wait while the model is busy.
``delayed`` also lets the first request of a batch wait up to 2 ms for others. The three are measured alternately.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import grpc

from benchmarks.load.h2load import h2load
from benchmarks.models import add_model, mlp, request
from benchmarks.processes import plainserve
from benchmarks.workloads import INFER
from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

WIDTH = 1024
CONNECTIONS = 32
CONFIGS = {
    "alone": "max_batch_size: 1",
    "gathered": "dynamic_batching { }",
    "delayed": "dynamic_batching { preferred_batch_size: [16, 32] max_queue_delay_microseconds: 2000 }",
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="measure the gain of batching")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        content = mlp([WIDTH] * 5)
        for name, config in CONFIGS.items():
            add_model(folder / "models", name, content, config)
        with plainserve(folder / "models") as server:
            rates: dict[str, list[float]] = {name: [] for name in CONFIGS}
            for _ in range(options.rounds):
                for name, found in rates.items():
                    load = h2load(
                        server.address,
                        INFER,
                        request(name, WIDTH),
                        folder,
                        connections=CONNECTIONS,
                        seconds=options.seconds,
                    )
                    found.append(load.requests / load.seconds)
            print(f"| {CONNECTIONS} connections | requests/s | relative to alone | mean executed batch |")
            print("|---|---|---|---|")
            with grpc.insecure_channel(server.address) as channel:
                for name, found in rates.items():
                    ask = pb.ModelStatisticsRequest(name=name)
                    done = GRPCInferenceServiceStub(channel).ModelStatistics(ask).model_stats[0]
                    ratio = median(mine / single for mine, single in zip(found, rates["alone"], strict=True))
                    batch = done.inference_count / done.execution_count
                    print(f"| {name} | {median(found):,.0f}/s | {ratio:.0%} | {batch:.1f} |")


if __name__ == "__main__":
    main()
