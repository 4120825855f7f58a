"""Installs wheels as a stranger would, for several Pythons, serves a model from each, and calls it.

    python tests/packaging/try_wheels.py dist/*.whl --python python3.11 python3.12 python3.13

Each Python gets an environment of its own, with what requirements/server.txt pins and nothing else. The client is
tritonclient, in the environment that runs this script. A wheel with the native front end must serve with it, and the
other one with grpcio.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import tritonclient.grpc
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "server.txt"
PATIENCE = 120.0
"""Seconds that a server may take to end."""


def main() -> int:
    """Try every wheel with every Python; the exit code."""
    parser = argparse.ArgumentParser(description="Install wheels and serve a model from each.")
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PYTHON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plainserve-wheels-") as folder:
        repository = Path(folder) / "repository"
        _write_model(repository)
        for number, python in enumerate(options.python):
            environment = Path(folder) / str(number)
            _run(python, "-m", "venv", environment)
            _run(environment / "bin" / "pip", "install", "--quiet", "--require-hashes", "-r", LOCK)
            for wheel in options.wheels:
                _try(environment, wheel, repository)
    return 0


def _try(environment: Path, wheel: Path, repository: Path) -> None:
    """Install the wheel in the place of the one before it, serve and call."""
    _run(environment / "bin" / "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel)
    command = [environment / "bin" / "plainserve", "serve", repository, "--port=0", "--metrics-port=off"]
    with subprocess.Popen(command, cwd=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline().strip()
            answer = _call(line.rpartition(" ")[2])
        finally:
            server.terminate()
            code = server.wait(timeout=PATIENCE)
    front_end = "grpcio" if "-none-any" in wheel.name else "native"
    version = _run(environment / "bin" / "python", "--version")
    print(f"{version}, {wheel.name}: {line}")  # noqa: T201  the result
    if (answer, code) != ([3.0, 5.0, 7.0], 0) or f"({front_end} front end)" not in line:
        sys.exit(f"answered {answer} and ended with exit code {code}; the {front_end} front end was to serve")


def _call(address: str) -> list[float]:
    """What the model answers to 1, 2 and 3."""
    sent = tritonclient.grpc.InferInput("x", [1, 3], "FP32")
    sent.set_data_from_numpy(np.array([[1, 2, 3]], np.float32))
    with tritonclient.grpc.InferenceServerClient(address) as client:
        return client.infer("affine", [sent], client_timeout=PATIENCE).as_numpy("y")[0].tolist()


def _write_model(repository: Path) -> None:
    """x: FP32 [-1,3] -> y = x + x + 1."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in "xy")
    one = onnx.numpy_helper.from_array(np.float32(1), "one")
    nodes = [helper.make_node("Add", ["x", "x"], ["twice"]), helper.make_node("Add", ["twice", "one"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "affine", [x], [y], [one]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    version = repository / "affine" / "1"
    version.mkdir(parents=True)
    onnx.save(model, version / "model.onnx")


def _run(*command: object) -> str:
    return subprocess.run(map(str, command), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
