"""onnxruntime without a server: a loop in a process of its own, run as ``MODEL INPUT SECONDS`` in files."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import psutil

from benchmarks.contenders.contender import Measure, Setting
from benchmarks.load.sample import LoadError, Sample, percentile
from benchmarks.processes import ROOT
from benchmarks.workloads import SHAPES, Workload
from protos import open_inference_pb2 as pb


class InProcess:
    """onnxruntime in a loop, one request after the other.

    Attributes:
        title: Its name in the tables.
    """

    title = "onnxruntime, no server"

    def absent(self, workload: Workload) -> str | None:
        """See :class:`benchmarks.contenders.contender.Contender`."""
        return "" if workload.tls or workload.mixed or workload.predict else None

    @contextmanager
    def running(self, setting: Setting) -> Iterator[Measure]:
        """See :class:`benchmarks.contenders.contender.Contender`; its answers are what others are compared with."""
        workload = setting.prepared.workload
        message = pb.ModelInferRequest.FromString(setting.prepared.requests[0].message)
        rows = np.frombuffer(message.raw_input_contents[0], np.float32)
        file = setting.folder / "rows.npy"
        np.save(file, rows.reshape(workload.batch, *SHAPES[workload.model]))
        model = setting.prepared.repository / workload.model / "1" / "model.onnx"

        def measure(seconds: float) -> Sample:
            command = [sys.executable, "-m", "benchmarks.contenders.in_process"]
            command += [str(model), str(file), str(seconds)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            if done.returncode:
                raise LoadError("onnxruntime failed")
            return Sample(**json.loads(done.stdout))

        yield measure


def run(model: Path, rows: Path, seconds: float) -> Sample:
    """Run a model again and again."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed, times = {"x": np.load(rows)}, []
    session.run(None, feed)
    process = psutil.Process()
    cpu, start = time.process_time(), time.perf_counter()
    while (before := time.perf_counter()) < start + seconds:
        session.run(None, feed)
        times.append(time.perf_counter() - before)
    elapsed, used = time.perf_counter() - start, time.process_time() - cpu
    memory = process.memory_info().rss
    return Sample(len(times) / elapsed, used / len(times), percentile(times), memory)


if __name__ == "__main__":
    print(json.dumps(vars(run(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))))
