"""Measures a large conversion: peak memory as a multiple of the weights, and seconds for each phase.

    python -m benchmarks.convert_large                    600 MB of weights to ONNX
    python -m benchmarks.convert_large --layers 3 --to tflite
    python -m benchmarks.convert_large --layers 35        2.3 GB: more than an ONNX file can hold

The model has Dense layers, each followed by a PSS layer. Its file is written with h5py and zipfile, one layer at a
time, so that this process stays small. Each conversion runs in its own process, whose peak memory the kernel
reports. A model of the same form with almost no weights is converted first: its cost is that of TensorFlow itself,
which every conversion pays once.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

MB = 1e6
SMALL_UNITS = 16


@dataclass(frozen=True)
class Cost:
    """The cost of one conversion.

    Attributes:
        code: Its exit code.
        peak: The most memory that was resident, in bytes.
        result: What the command reported with ``--json``.
    """

    code: int
    peak: int
    result: dict[str, Any]

    @property
    def seconds(self) -> dict[str, float]:
        """By phase; empty where the model itself was refused."""
        return dict(self.result["models"][0].get("seconds", {}))


def main() -> int:
    """Make the model, convert it, print the figures; 1 if the conversion failed or cost more than allowed."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        fixed = convert(write_model(Path(folder) / "small.keras", SMALL_UNITS, options.layers), options.to)
        source = write_model(Path(folder) / "large.keras", options.units, options.layers)
        weights = options.layers * (options.units**2 + options.units) * 4
        cost = convert(source, options.to)
    print(f"weights              {weights / MB:10,.0f} MB")
    print(f"peak                 {cost.peak / MB:10,.0f} MB   {cost.peak / weights:.2f} times the weights")
    print(f"TensorFlow alone     {fixed.peak / MB:10,.0f} MB   {fixed.peak / weights:.2f} times the weights")
    print(
        f"peak minus TensorFlow{(cost.peak - fixed.peak) / MB:10,.0f} MB   "
        f"{(cost.peak - fixed.peak) / weights:.2f} times the weights"
    )
    for phase, seconds in cost.seconds.items():
        print(
            f"{phase:20} {seconds:10.1f} s    {seconds - fixed.seconds.get(phase, 0.0):.1f} s beyond the small model"
        )
    print(f"total                {sum(cost.seconds.values()):10.1f} s")
    return 0 if cost.code == 0 and cost.peak <= options.most * weights else 1


def write_model(path: Path, units: int, layers: int) -> Path:
    """Write a ``.keras`` file of ``layers`` times ``Dense(units)`` and ``PSSLayer(alpha=3)``.

    The kernels are scaled so that values keep their size from layer to layer.
    """
    random = np.random.default_rng(0)
    described = [
        {
            "class_name": "InputLayer",
            "config": {"name": "x", "batch_shape": [None, units], "dtype": "float32"},
        }
    ]
    stored = path.with_suffix(".weights.h5")
    with h5py.File(stored, "w") as file:
        for number in range(layers):
            name = f"dense_{number}" if number else "dense"
            described += [_layer("Dense", name, units=units), _layer("PSSLayer", f"pss_{number}", alpha=3.0)]
            group = file.create_group(f"layers/{name}/vars")
            kernel = random.standard_normal((units, units), np.float32)
            group["0"] = kernel * np.float32(1 / math.sqrt(units))
            group["1"] = np.zeros(units, np.float32)
    config = {"class_name": "Sequential", "module": "keras", "config": {"name": "large", "layers": described}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.write(stored, "model.weights.h5")
    stored.unlink()
    return path


def _layer(kind: str, name: str, **config: object) -> dict[str, Any]:
    registered = (
        {"module": None, "registered_name": f"benchmark>{kind}"}
        if kind == "PSSLayer"
        else {"module": "keras.layers"}
    )
    return {"class_name": kind, "config": {"name": name, "dtype": "float32", **config}, **registered}


def convert(source: Path, target: str) -> Cost:
    """Convert a file in a process of its own."""
    command = [sys.executable, "-m", "converter", str(source), "--to", target, "--json"]
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(command, stdout=printed)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        result = json.loads(printed.read() or "{}")
    return Cost(process.returncode, usage.ru_maxrss * 1024, result)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--to", default="onnx", help="the target format (default: onnx)")
    made.add_argument("--units", type=int, default=4096, help="width of a layer (default: 4096, 67 MB each)")
    made.add_argument("--layers", type=int, default=9, help="number of layers (default: 9)")
    made.add_argument(
        "--most", type=float, default=5.0, help="fail beyond this many times the weights (default: 5)"
    )
    made.add_argument("--folder", type=Path, help="folder for the temporary model and artefact")
    return made


if __name__ == "__main__":
    sys.exit(main())
