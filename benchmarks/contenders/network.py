"""A contender that is a server on the network."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from benchmarks.check import check
from benchmarks.contenders.contender import Measure, Setting
from benchmarks.load.generator import generate
from benchmarks.load.generator import missing as generator_missing
from benchmarks.load.h2load import h2load
from benchmarks.load.sample import CallError, Load, Sample
from benchmarks.processes import Server
from benchmarks.workloads import Prepared, Workload

MODEL_SECONDS = 20.0
WARM_UP = 0.5
"""Seconds of load before the first measurement."""


def _there() -> str | None:
    return None


@dataclass(frozen=True)
class NetworkServer:
    """A server on the network.

    Attributes:
        title: Its name in the tables.
        start: Starts it.
        missing: Why it cannot be started on this machine, or None.
        constant: Whether it answers with a constant, and so needs no model.
        tls: Whether it is measured with TLS.
        predict: Whether it speaks TensorFlow Serving's protocol.
        only: The keys of the workloads that it is measured under; None for all.
    """

    title: str
    start: Callable[[Setting], AbstractContextManager[Server]]
    missing: Callable[[], str | None] = _there
    constant: bool = False
    tls: bool = True
    predict: bool = True
    only: frozenset[str] | None = None

    def absent(self, workload: Workload) -> str | None:
        """See :class:`benchmarks.contenders.contender.Contender`."""
        if self.only is not None and workload.key not in self.only:
            return ""
        if workload.tls and not self.tls:
            return "TLS is not measured"
        if workload.predict and not self.predict:
            return "does not speak this protocol"
        return self.missing() or (generator_missing() if workload.mixed else None)

    @contextmanager
    def running(self, setting: Setting) -> Iterator[Measure]:
        """See :class:`benchmarks.contenders.contender.Contender`."""
        authority = setting.certificate.authority if setting.certificate else None
        prepared = setting.prepared
        with self.start(setting) as server:

            def measure(seconds: float) -> Sample:
                sample = _sample(server, prepared, setting.folder, seconds)
                check(server.address, prepared, constant=self.constant, authority=authority)
                return sample

            _await_models(
                lambda: check(server.address, prepared, constant=self.constant, authority=authority)
            )
            measure(WARM_UP)
            yield measure


def _await_models(called: Callable[[], None]) -> None:
    """Check a server's answers again until there are some: some servers listen before their models are loaded."""
    end = time.monotonic() + MODEL_SECONDS
    while True:
        try:
            called()
        except CallError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def _sample(server: Server, prepared: Prepared, folder: Path, seconds: float) -> Sample:
    """Put a load on a server and note what it uses."""
    memory: list[int] = []
    timer = Timer(seconds / 2, lambda: memory.append(server.memory()))
    before = server.cpu_seconds()
    timer.start()
    load = _load(server, prepared, folder, seconds)
    used = server.cpu_seconds() - before
    timer.join()
    return Sample(load.requests / load.seconds, used / load.requests, load.p99, memory[0])


def _load(server: Server, prepared: Prepared, folder: Path, seconds: float) -> Load:
    workload, requests = prepared.workload, list(prepared.requests)
    if workload.mixed:
        return generate(server.address, requests, folder, connections=workload.connections, seconds=seconds)
    return h2load(
        server.address,
        requests[0].path,
        requests[0].message,
        folder,
        connections=workload.connections,
        streams=workload.streams,
        tls=workload.tls,
        seconds=seconds,
    )
