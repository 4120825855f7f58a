"""Servers that answer with a constant: the limits of the libraries that servers are built on."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.compiler import compiled
from benchmarks.contenders.contender import Setting
from benchmarks.contenders.network import NetworkServer
from benchmarks.load.h2load import frame
from benchmarks.ports import free_port
from benchmarks.processes import ROOT, Server, process
from benchmarks.workloads import INFER, PREDICT

FOLDER = ROOT / "benchmarks" / "constants"
GRPC_SERVER = FOLDER / "grpc_server.cc"


def contenders() -> Iterator[NetworkServer]:
    """An HTTP/2 server in C, gRPC C++ with one thread and with one for each processor, and grpcio."""
    yield NetworkServer("nghttpd, constant", _start_nghttpd, _nghttpd_missing, constant=True)
    for threads in (1, os.cpu_count() or 1):
        title = f"gRPC C++, constant, {threads} thread{'s' if threads > 1 else ''}"
        yield NetworkServer(title, _start_grpc(threads), _grpc_missing, constant=True)
    yield NetworkServer("grpcio, constant", _start_grpcio, constant=True)


def _nghttpd_missing() -> str | None:
    return None if shutil.which("nghttpd") else "nghttpd is missing: apt-get install nghttp2-server"


@contextmanager
def _start_nghttpd(setting: Setting) -> Iterator[Server]:
    """nghttpd, with the answer as a file; it sends a gRPC status in the trailers."""
    root, types = setting.folder / "root", setting.folder / "mime.types"
    for path in (INFER, PREDICT):
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_bytes(frame(setting.prepared.answer))
    # nghttpd takes what follows the last dot of a path for the extension.
    types.write_text("".join(f"application/grpc {path.rpartition('.')[2]}\n" for path in (INFER, PREDICT)))
    port, tls = free_port(), setting.certificate
    command = ["nghttpd", "--address=127.0.0.1", f"--htdocs={root}", f"--mime-types-file={types}"]
    command += ["--trailer=grpc-status: 0", "--no-content-length", "--max-concurrent-streams=1000"]
    command += [str(port), str(tls.key), str(tls.chain)] if tls else ["--no-tls", str(port)]
    with process(*command, address=f"127.0.0.1:{port}") as server:
        yield server


def _grpc_missing() -> str | None:
    return compiled(GRPC_SERVER, "grpc++").missing


def _start_grpc(threads: int) -> Callable[[Setting], AbstractContextManager[Server]]:
    def start(setting: Setting) -> AbstractContextManager[Server]:
        program = compiled(GRPC_SERVER, "grpc++").path
        return process(program, _answer(setting), str(threads), *_files(setting))

    return start


def _start_grpcio(setting: Setting) -> AbstractContextManager[Server]:
    return process(sys.executable, FOLDER / "grpcio_server.py", _answer(setting), *_files(setting))


def _answer(setting: Setting) -> Path:
    file = setting.folder / "answer.bin"
    file.write_bytes(setting.prepared.answer)
    return file


def _files(setting: Setting) -> tuple[Path, ...]:
    return (setting.certificate.chain, setting.certificate.key) if setting.certificate else ()
