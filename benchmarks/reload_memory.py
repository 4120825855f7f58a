"""Measures memory that remains after many reloads of a model, with requests in between.

    python -m benchmarks.reload_memory [--reloads 500] [--megabytes 100]

Prints the server's resident memory after the first load and after the last, in MB (10^6 bytes).
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import grpc

from benchmarks.models import add_model, mlp, request
from benchmarks.processes import Server, plainserve
from protos import open_inference_pb2 as pb
from protos.open_inference_pb2_grpc import GRPCInferenceServiceStub

NAME = "large"
MB = 1_000_000
REQUESTS = 3
"""Requests between two loads."""

GOAL = 150
"""MB that may remain."""


def main() -> None:
    """Measure and print a table.

    Raises:
        SystemExit: More memory than the goal remains.
    """
    parser = argparse.ArgumentParser(description="measure memory that remains after many reloads")
    parser.add_argument("--reloads", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the weights")
    options = parser.parse_args()
    width = round((options.megabytes * MB / 4 / 4) ** 0.5)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "models"
        add_model(root, NAME, mlp([width] * 5))
        with (
            plainserve(root, "--model-control-mode", "explicit", "--load-model", NAME) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            before, after, highest, seconds = _reload(
                server,
                GRPCInferenceServiceStub(channel),
                root / NAME / "1" / "model.onnx",
                width,
                options.reloads,
            )
    print(
        "| reloads | weights, MB | seconds a reload | before, MB | after, MB | difference, MB | highest, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {options.reloads} | {options.megabytes} | {seconds:.2f} | {before:.0f} | {after:.0f} "
        f"| {after - before:+.0f} | {highest:.0f} |"
    )
    if after - before > GOAL:
        raise SystemExit(f"more than {GOAL} MB remain after the reloads")


def _reload(
    server: Server, stub: GRPCInferenceServiceStub, file: Path, width: int, reloads: int
) -> tuple[float, float, float, float]:
    """Memory before and after, the highest seen between loads, and the seconds of a reload."""
    asked = pb.ModelInferRequest.FromString(request(NAME, width))
    expected = stub.ModelInfer(asked, timeout=60).raw_output_contents
    before = highest = _settled(server)
    start = time.perf_counter()
    for _ in range(reloads):
        # A changed modification time causes a reload.
        os.utime(file)
        stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=NAME), timeout=60)
        for _ in range(REQUESTS):
            if stub.ModelInfer(asked, timeout=60).raw_output_contents != expected:
                raise SystemExit("an answer changed")
        highest = max(highest, _resident(server))
    seconds = (time.perf_counter() - start) / reloads
    return before, _settled(server), highest, seconds


def _resident(server: Server) -> float:
    return float(server.process.memory_info().rss) / MB


def _settled(server: Server) -> float:
    """The memory after the replaced versions have had time to be freed."""
    time.sleep(1)
    return _resident(server)


if __name__ == "__main__":
    main()
