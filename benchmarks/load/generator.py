"""Load from ``generator.cc``, which sends a list of different requests."""

import struct
import subprocess
from pathlib import Path

from benchmarks.compiler import compiled
from benchmarks.load.h2load import frame
from benchmarks.load.sample import Load, LoadError, percentile
from benchmarks.workloads import Request

SOURCE = Path(__file__).with_name("generator.cc")


def missing() -> str | None:
    """Why the generator cannot be built, or None."""
    return compiled(SOURCE, "libnghttp2").missing


def generate(
    address: str, requests: list[Request], folder: Path, *, connections: int, seconds: float
) -> Load:
    """Send requests in turn; each connection has one in progress.

    Args:
        address: Where the server listens, at 127.0.0.1.
        requests: What is sent.
        folder: A folder for files.
        connections: How many are opened.
        seconds: How long it sends.

    Raises:
        LoadError: A request failed.
    """
    data = folder / "requests.bin"
    data.write_bytes(b"".join(_field(each.path.encode()) + _field(frame(each.message)) for each in requests))
    command = [
        compiled(SOURCE, "libnghttp2").path,
        address.rpartition(":")[2],
        str(connections),
        str(seconds),
        data,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = [line.split() for line in done.stdout.splitlines()]
    if done.returncode or not answers:
        raise LoadError(done.stderr.strip() or "no answers under load")
    if wrong := {status for _, status in answers} - {"0"}:
        raise LoadError(f"gRPC status {', '.join(sorted(wrong))} under load")
    return Load(len(answers), seconds, percentile([int(taken) / 1e6 for taken, _ in answers]))


def _field(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
