"""Servers in processes of their own: how they are started and stopped, and what they use."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
READY = "listening on "
"""How the line begins that a server of ``benchmarks/`` prints once it accepts requests; its address follows."""

START_SECONDS = 120
STOP_SECONDS = 20


class StartError(Exception):
    """A server did not start; the text is for the table."""


@dataclass(frozen=True)
class Server:
    """A server in a process of its own.

    Attributes:
        address: Where it listens.
        process: Where it runs; processes that it starts belong to it.
    """

    address: str
    process: psutil.Process

    def family(self) -> list[psutil.Process]:
        """Its process and all below it."""
        return _family(self.process)

    def cpu_seconds(self) -> float:
        """The processor time that its processes have used."""
        total = 0.0
        for each in self.family():
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system
        return total

    def memory(self) -> int:
        """Resident memory in bytes: that of its largest process, and what each of the others has alone."""
        found = []
        for each in self.family():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found.append(each.memory_full_info())
        largest = max(found, key=lambda memory: memory.rss)
        return int(largest.rss + sum(memory.uss for memory in found if memory is not largest))


@contextmanager
def process(
    *command: str | Path,
    address: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    log: Path | None = None,
) -> Iterator[Server]:
    """Start a server; stop it and the processes that it has started at the end.

    Args:
        command: A program and its arguments.
        address: Where it listens, waited for until it accepts a connection; None if it prints a line that ends with
            the address.
        environment: Additions to the environment.
        folder: The working directory.
        log: A file for its other output.

    Raises:
        StartError: It ended, or was not ready in time.
    """
    with (log or Path(os.devnull)).open("ab") as errors:
        started = subprocess.Popen(
            [str(each) for each in command],
            stdout=subprocess.PIPE if address is None else errors,
            stderr=errors if log else None,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            cwd=folder,
            text=True,
        )
    own = psutil.Process(started.pid)
    try:
        yield Server(_printed(started) if address is None else _accepting(started, address), own)
    finally:
        _stop(started, _family(own))


def _family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all below it; nothing once it has ended."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _printed(started: "subprocess.Popen[str]") -> str:
    """The address that a server prints."""
    assert started.stdout is not None  # noqa: S101  stdout is a pipe
    end = time.monotonic() + START_SECONDS
    while select.select([started.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
        line = started.stdout.readline()
        if READY in line or line.startswith("Serving "):
            return line.split()[-1]
        if not line:
            break
    raise StartError("did not start")


def _accepting(started: "subprocess.Popen[str]", address: str) -> str:
    """The given address, once the server accepts connections there."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + START_SECONDS
    while started.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection((host, int(port)), 1):
            return address
        time.sleep(0.1)
    raise StartError("did not start")


def _stop(started: "subprocess.Popen[str]", family: list[psutil.Process]) -> None:
    """End a process, and those of its family that are left."""
    started.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        started.wait(STOP_SECONDS)
    left = [each for each in family if each.is_running()]
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(left, STOP_SECONDS)
    started.wait(STOP_SECONDS)
    if started.stdout is not None:
        started.stdout.close()


def plainserve(root: Path, *options: str) -> AbstractContextManager[Server]:
    """Start Plainserve for a repository."""
    command = [sys.executable, "-m", "serving", "serve", str(root), "--port", "0", "--metrics-port", "off"]
    return process(*command, "--lame-duck-seconds", "0", *options)
