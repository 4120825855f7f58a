"""Measures the description of a large model: seconds and memory, for a file of 600 MB.

    python -m benchmarks.describe_large [--megabytes 600] [--layers 60]

The file is written with h5py and zipfile and removed at the end. Each measurement covers a separate process from
start to exit. A run that only imports the modules shows the unavoidable part. To find out which scales can be folded,
the weights are read: each scale is multiplied with them, because a scale that overflows is not folded.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

_RUN = "from converter.command.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
_EMPTY = "import converter.command.run, converter.folding, converter.lowering.lower"


def main() -> int:
    """Make the model, describe it three times, print the minimum of each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=600)
    parser.add_argument("--layers", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plainserve-benchmark-") as folder:
        path = Path(folder) / "large.keras"
        make(path, options.megabytes, options.layers)
        print(f"{path.stat().st_size / 1e6:,.0f} MB, {options.layers} layers")
        for label, command in {
            "imports only": [_EMPTY],
            "description (--no-fold)": [_RUN, str(path), "--no-fold"],
            "description with folding": [_RUN, str(path)],
        }.items():
            figures = [_measured([sys.executable, "-c", *command]) for _ in range(3)]
            seconds, peak = (min(column) for column in zip(*figures, strict=True))
            print(f"{label:26} {seconds:5.2f} s  {peak / 1e6:5.0f} MB")
    return 0


def make(path: Path, megabytes: int, layers: int) -> None:
    """A chain of Dense layers of one width, each followed by an SS activation, with random weights."""
    width = round((megabytes * 1e6 / 4 / layers) ** 0.5)
    weights = path.with_suffix(".h5")
    with h5py.File(weights, "w") as file:
        for number in range(layers):
            group = file.create_group(f"layers/dense{f'_{number}' if number else ''}/vars")
            group["0"] = np.random.default_rng(number).normal(size=(width, width)).astype("f4")
            group["1"] = np.zeros(width, "f4")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", json.dumps(_config(width, layers)))
        archive.write(weights, "model.weights.h5")
    weights.unlink()


def _config(width: int, layers: int) -> dict[str, object]:
    entries = [_layer("InputLayer", {"name": "input", "batch_shape": [None, width], "dtype": "float32"})]
    for number in range(layers):
        options = {"name": f"dense_{number}", "units": width, "activation": "linear", "use_bias": True}
        entries.append(_layer("Dense", options))
        bend = {"name": f"bend_{number}", "a": 1.5, "b": 0.8}
        entries.append({"module": None, "class_name": "RationalSSLayer", "config": bend})
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "large", "layers": entries}}


def _layer(kind: str, config: dict[str, object]) -> dict[str, object]:
    return {"module": "keras.layers", "class_name": kind, "config": config}


def _measured(command: list[str]) -> tuple[float, float]:
    """Processor seconds, and the largest resident memory in bytes, of one process."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
