"""Shared by the serving benchmarks: models, servers in separate processes, and h2load."""

import re
import select
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper

from protos import open_inference_pb2 as pb

INFER = "/inference.GRPCInferenceService/ModelInfer"

_RATE = re.compile(r"finished in .*?, ([\d.]+) req/s")
_DONE = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")


def mlp(sizes: Sequence[int]) -> bytes:
    """An ONNX model of dense layers with softsign between them: ``x`` FP32 [batch, first] to ``y``."""
    random = np.random.default_rng(4)
    nodes, weights, last = [], [], "x"
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        matrix = (random.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(matrix, f"weights{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"weights{layer}"], [f"product{layer}"]))
        last = "y" if layer == len(sizes) - 2 else f"activation{layer}"
        nodes.append(helper.make_node("Softsign", [f"product{layer}"], [last]))
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", sizes[0]), ("y", sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "mlp", tensors[:1], tensors[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def add_model(root: Path, name: str, content: bytes, config: str = "") -> None:
    """Put a model into a repository."""
    (root / name / "1").mkdir(parents=True)
    (root / name / "1" / "model.onnx").write_bytes(content)
    (root / name / "config.pbtxt").write_text(config)


def request(model: str, size: int) -> bytes:
    """A ModelInfer request for one row of ``size`` floats."""
    row = np.random.default_rng(5).standard_normal((1, size), np.float32)
    message = pb.ModelInferRequest(model_name=model, raw_input_contents=[row.tobytes()])
    message.inputs.add(name="x", datatype="FP32", shape=[1, size])
    data: bytes = message.SerializeToString()
    return data


@dataclass(frozen=True)
class Server:
    """A server in a separate process.

    Attributes:
        address: Where it listens.
        process: Where it runs.
    """

    address: str
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """The processor time it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True)
class Load:
    """The result of a server under load.

    Attributes:
        rate: Requests per second.
        cpu: Seconds of processor time of the server for each request; other programs hardly change it.
    """

    rate: float
    cpu: float


@contextmanager
def process(*arguments: str) -> Iterator[Server]:
    """Start a server that prints a line that ends with its address; stop it at the end."""
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None  # noqa: S101  stdout is a pipe
    try:
        ready, _, _ = select.select([started.stdout], [], [], 60)
        line = started.stdout.readline().split() if ready else []
        if not line:
            raise SystemExit(f"a server did not start: {' '.join(arguments)}")
        yield Server(line[-1], psutil.Process(started.pid))
    finally:
        started.terminate()
        started.wait(30)


def plainserve(root: Path, *options: str) -> AbstractContextManager[Server]:
    """Start Plainserve for a repository."""
    return process(
        "-m",
        "serving",
        "serve",
        str(root),
        "--port",
        "0",
        "--metrics-port",
        "off",
        "--lame-duck-seconds",
        "0",
        *options,
    )


def h2load(server: Server, body: bytes, folder: Path, *, connections: int, seconds: float) -> Load:
    """Measure a server under load; each connection has one request in progress.

    Raises:
        SystemExit: h2load is missing, or a request failed.
    """
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing: apt-get install nghttp2-client")
    data = folder / "request.bin"
    data.write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
    command = [
        "h2load", f"--clients={connections}", "--max-concurrent-streams=1", f"--duration={round(seconds * 1000)}ms",
        f"--data={data}", "--header=content-type: application/grpc", "--header=te: trailers",
        f"http://{server.address}{INFER}",
    ]  # fmt: skip
    before = server.cpu_seconds()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = server.cpu_seconds() - before
    rate, done = _RATE.search(output), _DONE.search(output)
    if rate is None or done is None or any(int(count) for count in done.groups()[1:]):
        raise SystemExit(f"h2load could not do its work:\n{output}")
    return Load(float(rate[1]), used / int(done[1]))
