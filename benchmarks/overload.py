"""Measures a server under overload: four times as many requests as it can answer.

    python -m benchmarks.overload [--seconds 30] [--times 4]

The model takes some milliseconds and has no batching. There are three measurements: one request at a time; as many
as the server answers; and an open load, where each request is sent at its scheduled time whether others were answered
or not, and its latency counts from that time. Rejected requests are not retried. The server uses half of the
processors and the load generator the others, so that the client's cost is not counted as the cost of rejecting.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.models import add_model, mlp, request
from benchmarks.processes import Server, plainserve
from benchmarks.workloads import INFER

WIDTH = 3072
CONNECTIONS = 8
QUEUE_BOUND = 1.0
"""The longest time in the queue, in seconds, that serving.repository.config.QUEUE_SECONDS should ensure."""

DEADLINE = 20.0
HINT = "grpc-retry-pushback-ms"
MB = 1_000_000

Send = Callable[[], Awaitable[bytes]]


@dataclass
class Outcomes:
    """How requests ended, in seconds from the scheduled time of each.

    Attributes:
        answered: Of those that were answered.
        refused: Of those that were refused, with a hint when to come back.
        others: Those that ended otherwise, by status.
        health: Of questions for the server's health meanwhile.
        seconds: How long it all took, to the last answer.
    """

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    health: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def goodput(self) -> float:
        """Answers per second."""
        return len(self.answered) / self.seconds

    async def one(self, send: Send, due: float) -> None:
        """Send a request and note how it ended."""
        try:
            await send()
        except grpc.aio.AioRpcError as error:
            hint = any(key == HINT for key, _ in error.trailing_metadata() or ())
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and hint:
                self.refused.append(time.perf_counter() - due)
            else:
                self.others[error.code().name] = self.others.get(error.code().name, 0) + 1
        else:
            self.answered.append(time.perf_counter() - due)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="measure a server under overload")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the load")
    parser.add_argument("--times", type=float, default=4.0, help="the load, as a multiple of the capacity")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "models"
        add_model(root, "slow", mlp([WIDTH] * 5), "max_batch_size: 1")
        ours, theirs = _halves()
        os.sched_setaffinity(0, ours)  # the server inherits it
        with plainserve(root) as server:
            os.sched_setaffinity(0, theirs)
            asyncio.run(_measure(server, options.seconds, options.times))


def _halves() -> tuple[set[int], set[int]]:
    """The processors of the server and those of the clients; both share it if there is only one."""
    processors = sorted(os.sched_getaffinity(0))
    middle = len(processors) // 2
    return set(processors[middle:]), set(processors[:middle] or processors)


async def _measure(server: Server, seconds: float, times: float) -> None:
    body = request("slow", WIDTH)
    channels = [
        grpc.aio.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(CONNECTIONS)
    ]
    calls = [channel.unary_unary(INFER) for channel in channels]
    sends: list[Send] = [lambda call=call: call(body, timeout=DEADLINE) for call in calls]  # type: ignore[misc]
    await _closed(sends, len(sends), 1.0)
    alone = await _closed(sends[:1], 1, 3.0)
    full = await _closed(sends, 2 * CONNECTIONS, 10.0)
    memory = server.process.memory_info().rss / MB
    health = health_pb2_grpc.HealthStub(channels[0])
    loaded = await _open(sends, health, full.goodput * times, seconds)
    grown = server.process.memory_info().rss / MB - memory
    _print(alone, full, loaded, times, memory, grown)
    for channel in channels:
        await channel.close()


async def _closed(sends: list[Send], clients: int, seconds: float) -> Outcomes:
    """Closed load: clients that each wait for an answer before they send the next request."""
    outcomes, start = Outcomes(), time.perf_counter()

    async def ask(send: Send) -> None:
        while (now := time.perf_counter()) < start + seconds:
            await outcomes.one(send, now)

    await asyncio.gather(*(ask(sends[at % len(sends)]) for at in range(clients)))
    outcomes.seconds = time.perf_counter() - start
    return outcomes


async def _open(
    sends: list[Send], health: health_pb2_grpc.HealthStub, rate: float, seconds: float
) -> Outcomes:
    """Open load: requests at a constant rate, independent of the answers."""
    outcomes, start = Outcomes(), time.perf_counter()
    probing = asyncio.create_task(_probe(health, outcomes))
    tasks, sent = set(), 0
    while (now := time.perf_counter()) < start + seconds:
        while sent < (now - start) * rate:
            task = asyncio.create_task(outcomes.one(sends[sent % len(sends)], start + sent / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    outcomes.seconds = time.perf_counter() - start
    probing.cancel()
    return outcomes


async def _probe(health: health_pb2_grpc.HealthStub, outcomes: Outcomes) -> None:
    while True:
        start = time.perf_counter()
        await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
        outcomes.health.append(time.perf_counter() - start)
        await asyncio.sleep(0.1)


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[-1]


def _print(
    alone: Outcomes, full: Outcomes, loaded: Outcomes, times: float, memory: float, grown: float
) -> None:
    allowed = 3 * _p99(alone.answered) + QUEUE_BOUND
    refused = f"{1000 * median(loaded.refused):.1f} ms" if loaded.refused else "none"
    rows = [
        ("capacity", f"{full.goodput:.0f}/s", ""),
        ("offered load", f"{times * full.goodput:.0f}/s", f"{times:g} times that"),
        (
            "answered",
            f"{loaded.goodput:.0f}/s, {loaded.goodput / full.goodput:.0%} of the capacity",
            "80% or more",
        ),
        ("one at a time, p99", f"{1000 * _p99(alone.answered):.1f} ms", ""),
        ("at capacity, p99", f"{1000 * _p99(full.answered):.1f} ms", ""),
        ("answered, median", f"{1000 * median(loaded.answered):.0f} ms", ""),
        ("answered, p99", f"{1000 * _p99(loaded.answered):.0f} ms", f"below {1000 * allowed:.0f} ms"),
        ("rejected, median", refused, "below 50 ms"),
        ("other status", ", ".join(f"{n} {code}" for code, n in loaded.others.items()) or "none", "none"),
        ("health, slowest", f"{1000 * max(loaded.health):.0f} ms", ""),
        ("memory", f"{memory:.0f} MB, then {grown:+.0f} MB", "flat"),
    ]
    print("| | measured | goal |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
