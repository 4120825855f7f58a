"""Measures the latency of a model while files that hang or take all memory are trial-loaded beside it.

    python -m benchmarks.hostile_loads [--seconds 10] [--workers 1]

A client calls a small model continuously, first without, then with such files in the same repository
(``--model-control-mode poll``). Trial loads have a lower priority than the server, but they use idle processors.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import grpc
import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.models import add_model, mlp, request
from benchmarks.processes import Server, plainserve
from benchmarks.workloads import INFER

WIDTH = 64
HANGING = 2
"""Number of files that hang: as many as the machine of the measurements has processors."""

PAUSE = 0.002
"""Seconds between an answer and the next request, so that the latency does not include a queue."""


def endless() -> bytes:
    """``x`` FP32 [batch, WIDTH] to ``y``, after 2**63 - 1 steps."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["v", "v"], ["twice"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, None),
        ],
    )
    constants = [
        onnx.numpy_helper.from_array(np.array(value), name)
        for name, value in (("steps", (1 << 63) - 1), ("true", True))
    ]
    return _model([helper.make_node("Loop", ["steps", "true", "x"], ["y"], body=body)], constants)


def hungry() -> bytes:
    """The same, with a tensor of 4 GiB. Its size depends on the request, so it is allocated when the model runs."""
    constants = [
        onnx.numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in (("many", [1 << 30]), ("first", [0]))
    ]
    one = onnx.numpy_helper.from_array(np.ones(1, np.float32))
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ReduceMin", ["shape"], ["few"], keepdims=0),
        helper.make_node("Mul", ["many", "few"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["wide"], value=one),
        helper.make_node("Gather", ["wide", "first"], ["one"]),
        helper.make_node("Mul", ["x", "one"], ["y"]),
    ]
    return _model(nodes, constants)


def _model(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in "xy")
    graph = helper.make_graph(nodes, "hostile", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


async def _ask(server: Server, seconds: float) -> list[float]:
    """The latency of each request, in seconds."""
    body, times = request("good", WIDTH), []
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = channel.unary_unary(INFER)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            await call(body, timeout=60)
            times.append(time.perf_counter() - start)
            await asyncio.sleep(PAUSE)
    return times


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="measure latency beside hostile files")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each part")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root, staged = Path(temporary) / "models", Path(temporary) / "staged"
        add_model(root, "good", mlp([WIDTH, WIDTH]))
        hostile = ("--model-control-mode", "poll", "--repository-poll-secs", "0.5", "--load-memory", "400")
        with plainserve(root, *hostile, "--workers", str(options.workers)) as server:
            asyncio.run(_ask(server, 2.0))
            calm = asyncio.run(_ask(server, options.seconds))
            for name, content in [(f"endless{at}", endless()) for at in range(HANGING)] + [
                ("hungry", hungry())
            ]:
                add_model(staged, name, content)
                os.replace(staged / name, root / name)  # noqa: PTH105  whole, as one publishes
            beside = asyncio.run(_ask(server, options.seconds))
    print(
        f"| {options.workers} worker(s) | requests | median, ms | p99, ms | slowest, ms |\n|---|---|---|---|---|"
    )
    for what, times in (("without hostile files", calm), ("with hostile files", beside)):
        figures = (median(times), quantiles(times, n=100)[-1], max(times))
        print(f"| {what} | {len(times)} | {' | '.join(f'{1000 * each:.2f}' for each in figures)} |")
    ratio = quantiles(beside, n=100)[-1] / quantiles(calm, n=100)[-1]
    print(f"\nThe 99th percentile with hostile files is {ratio:.2f} times that without.")


if __name__ == "__main__":
    main()
