"""Generates load on a server from one process, and measures at the client, from numpy to numpy.

Each of N callers sends a request, awaits its answer and sends the next. One Python process runs them all, so that
the results are those of server and client together, and a fast server is not loaded to its limit.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client import AsyncClient
from serving.client.errors import ServerError


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        answered: Requests that were answered.
        failed: Requests that were not, by status code.
        requests_per_second: Answered ones.
        milliseconds: From request to answer: p50, p90, p99 and max; empty if nothing was answered.
    """

    concurrency: int
    answered: int
    failed: dict[str, int]
    requests_per_second: float
    milliseconds: dict[str, float]

    def __str__(self) -> str:
        figures = {"answered": str(self.answered), "requests/s": f"{self.requests_per_second:.0f}"}
        figures |= {name: f"{value:.2f} ms" for name, value in self.milliseconds.items()}
        figures |= {f"failed {code}": str(count) for code, count in self.failed.items()}
        return "\n".join(f"{name}\t{value}" for name, value in figures.items())


def drive(
    connect: Callable[[], AsyncClient],
    model: str,
    inputs: Mapping[str, NDArray[Any]],
    *,
    version: str,
    outputs: Sequence[str],
    seconds: float,
    concurrency: int,
) -> Report:
    """Call a model for some seconds.

    Args:
        connect: Makes the one client of all callers, on the event loop that they run on.
        model: The model's name.
        inputs: What each request holds.
        version: Which version; empty for the server's choice.
        outputs: Which outputs; all of them if empty.
        seconds: How long new requests are sent.
        concurrency: How many are under way at any time.
    """
    latencies: list[float] = []
    failed: Counter[str] = Counter()

    async def caller(client: AsyncClient, end: float) -> None:
        while (start := time.perf_counter()) < end:
            try:
                await client.infer(model, inputs, version=version, outputs=outputs)
            except ServerError as error:
                failed[error.code.name] += 1
                await asyncio.sleep(0.01)  # do not flood a server that refuses at once
            else:
                latencies.append(time.perf_counter() - start)

    async def callers() -> float:
        async with connect() as client:
            await client.metadata(model, version)
            start = time.perf_counter()
            await asyncio.gather(*(caller(client, start + seconds) for _ in range(concurrency)))
            return time.perf_counter() - start

    elapsed = asyncio.run(callers())
    return Report(concurrency, len(latencies), dict(failed), len(latencies) / elapsed, percentiles(latencies))


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and max of seconds, in milliseconds; empty for none."""
    if not latencies:
        return {}
    names = ("p50", "p90", "p99", "max")
    return dict(zip(names, (1000 * np.percentile(latencies, [50, 90, 99, 100])).tolist(), strict=True))
