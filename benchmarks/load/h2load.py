"""Load from h2load, a program in C that repeats one request (Debian's package nghttp2-client)."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

from benchmarks.load.sample import Load, LoadError, percentile

_DONE = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")


def frame(message: bytes) -> bytes:
    """A gRPC message with the prefix that HTTP/2 carries it with."""
    return b"\0" + struct.pack(">I", len(message)) + message


def missing() -> str | None:
    """Why there is no h2load, or None."""
    return None if shutil.which("h2load") else "h2load is missing: apt-get install nghttp2-client"


def h2load(
    address: str,
    path: str,
    message: bytes,
    folder: Path,
    *,
    connections: int,
    seconds: float,
    streams: int = 1,
    tls: bool = False,
) -> Load:
    """Send a request again and again.

    h2load sees HTTP status codes, but no gRPC status: check the server's answers before and after.

    Args:
        address: Where the server listens.
        path: The method.
        message: The gRPC message.
        folder: A folder for files.
        connections: How many are opened.
        seconds: How long it sends.
        streams: Requests in progress on each connection.
        tls: Whether connections are encrypted.

    Raises:
        LoadError: A request failed.
        SystemExit: h2load is missing.
    """
    if reason := missing():
        raise SystemExit(reason)
    data, log = folder / "request.bin", folder / "requests.tsv"
    data.write_bytes(frame(message))
    log.unlink(missing_ok=True)
    command = [
        "h2load", f"--clients={connections}", f"--max-concurrent-streams={streams}",
        f"--duration={round(seconds * 1000)}ms", f"--data={data}", f"--log-file={log}",
        "--header=content-type: application/grpc", "--header=te: trailers",
        f"{'https' if tls else 'http'}://{address}{path}",
    ]  # fmt: skip
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    done = _DONE.search(output)
    answers = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    if done is None:
        raise LoadError("h2load failed")
    if failed := sum(
        int(count) for count in done.groups()[1:3]
    ):  # those that time out are also among the errors
        raise LoadError(f"{failed} requests failed under load, {done[1]} succeeded")
    if not answers:
        raise LoadError(f"no request was answered within {seconds:g} s")
    if any(status != "200" for _, status, _ in answers):
        raise LoadError("HTTP status other than 200 under load")
    return Load(int(done[1]), seconds, percentile([int(taken) / 1e6 for *_, taken in answers]))
