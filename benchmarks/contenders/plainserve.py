"""Plainserve, with each front end that ``serve`` offers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager

from benchmarks.contenders.contender import Setting
from benchmarks.contenders.network import NetworkServer
from benchmarks.processes import ROOT, Server, plainserve

FRONT_ENDS = ("native", "grpcio")
WORKERS = 2
WITH_WORKERS = frozenset({"c32", "large"})
"""The workloads that a server with more than one process is measured under too."""


def contenders() -> Iterator[NetworkServer]:
    """Plainserve with each front end, alone and with two workers."""
    for title, options in _front_ends():
        yield NetworkServer(title, _start(*options))
        more = (*options, "--workers", str(WORKERS))
        yield NetworkServer(f"{title}, {WORKERS} workers", _start(*more), only=WITH_WORKERS)


def _front_ends() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The title and the options of each front end."""
    command = [sys.executable, "-m", "serving", "serve", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    if "--frontend" not in said:
        yield "plainserve, grpcio", ()
        return
    for name in FRONT_ENDS:
        yield f"plainserve, {name}", ("--frontend", name)


def _start(*options: str):  # noqa: ANN202  the type is that of NetworkServer.start
    def start(setting: Setting) -> AbstractContextManager[Server]:
        tls = setting.certificate
        files = ("--tls-certificate", str(tls.chain), "--tls-key", str(tls.key)) if tls else ()
        return plainserve(setting.prepared.repository, *options, *files)

    return start
