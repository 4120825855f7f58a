"""A server with models of every runtime and datatype, of which anything may be asked; and what it uses."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import onnx
import psutil
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "serving" / "data"
START_SECONDS = 120
"""A machine that is busy takes long to import TensorFlow."""

LIMITED = ["prlimit", f"--as={6 << 30}"]
"""A message that takes all memory must not take the machine's."""

KINDS = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
"""The inputs of the model ``kinds``, one of each datatype, named like it."""

QUEUED = """
max_batch_size: 8
dynamic_batching {
  preferred_batch_size: [ 4 ]
  max_queue_delay_microseconds: 500
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { allow_timeout_override: true default_timeout_microseconds: 2000000 max_queue_size: 64 }
}
"""


def fill(root: Path) -> None:
    """Write the repository."""
    affine = _affine()
    for name in ("affine", "queued", "spare"):
        _put(root, name, "model.onnx", affine)
    (root / "queued" / "config.pbtxt").write_text(QUEUED)
    _put(root, "kinds", "model.onnx", _identities(KINDS, ["batch", 2]))
    _put(root, "text", "model.onnx", _identities({"x": TensorProto.STRING}, ["batch", 2]))
    _put(root, "bf16", "model.onnx", _identities({"x": TensorProto.BFLOAT16}, ["batch", 2]))
    _put(root, "free", "model.onnx", _identities({"x": TensorProto.FLOAT}, ["a", "b", "c"]))
    _put(root, "scalar", "model.onnx", _identities({"x": TensorProto.FLOAT}, []))
    _put(root, "broken", "model.onnx", b"junk")
    for name, file in (("affine_lite", "affine.tflite"), ("same_lite", "same.tflite")):
        _put(root, name, "model.tflite", (DATA / file).read_bytes())
    shutil.copytree(DATA / "both.savedmodel", root / "both" / "1" / "model.savedmodel")


@dataclass(frozen=True)
class Use:
    """What a server and its children use.

    Attributes:
        resident: Bytes of memory.
        files: Open files and connections.
        threads: Threads.
    """

    resident: int
    files: int
    threads: int


class Target:
    """A server in processes of its own.

    Args:
        folder: Where its repository and its log are made.
        frontend: Its front end.
    """

    def __init__(self, folder: Path, frontend: str) -> None:
        self.root, self.log = folder / "repository", folder / "log"
        fill(self.root)
        options = (
            "--port 0 --metrics-port off --model-control-mode explicit --load-model * --allow-shared-memory "
            f"--frontend {frontend}"
        )
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*LIMITED, sys.executable, "-m", "serving", "serve", str(self.root), *options.split()],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        self._read = 0
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the server did not start: {self.log.read_text()}")
        self.address = line.rpartition(" ")[2]

    def alive(self) -> bool:
        return self.process.poll() is None

    def use(self) -> Use:
        """What it uses now."""
        main = psutil.Process(self.process.pid)
        all_of_it = [main, *main.children(recursive=True)]
        return Use(
            sum(each.memory_info().rss for each in all_of_it),
            sum(each.num_fds() for each in all_of_it),
            sum(each.num_threads() for each in all_of_it),
        )

    def processor(self) -> float:
        """Seconds of processor that it took so far."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    def new_peak(self) -> int:
        """Bytes that it holds now; from now on the most is noted."""
        # Source: proc(5), clear_refs.
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return psutil.Process(self.process.pid).memory_info().rss

    def peak(self) -> int:
        """The most bytes that it held since."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

    def new_log(self) -> str:
        """What it logged since this was last called."""
        with self.log.open(errors="replace") as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        return text

    def close(self) -> None:
        """End it."""
        if self.alive():
            self.process.kill()
        self.process.communicate(timeout=120)


def _put(root: Path, name: str, file: str, content: bytes) -> None:
    folder = root / name / "1"
    folder.mkdir(parents=True)
    (folder / file).write_bytes(content)


def _saved(nodes: list[onnx.NodeProto], inputs: list, outputs: list, numbers: list = ()) -> bytes:
    graph = helper.make_graph(nodes, "fuzzed", inputs, outputs, [*numbers])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model.SerializeToString()


def _affine() -> bytes:
    """x: FP32 [-1,3] -> y = 2 x + 1."""
    numbers = [helper.make_tensor(name, 1, [], [value]) for name, value in (("two", 2.0), ("one", 1.0))]
    nodes = [helper.make_node("Mul", ["x", "two"], ["p"]), helper.make_node("Add", ["p", "one"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, 1, ["batch", 3]) for name in "xy")
    return _saved(nodes, [x], [y], numbers)


def _identities(kinds: dict[str, int], shape: list) -> bytes:
    """Each input comes back, under its name and ``_back``."""
    names = [(name, f"{name}_back") for name in kinds]
    nodes = [helper.make_node("Identity", [name], [back]) for name, back in names]
    inputs = [helper.make_tensor_value_info(name, kinds[name], shape) for name, _ in names]
    outputs = [helper.make_tensor_value_info(back, kinds[name], shape) for name, back in names]
    return _saved(nodes, inputs, outputs)
