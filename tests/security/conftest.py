"""Hostile model files, and a run of the command under an audit hook."""

import json
import os
import subprocess
import sys
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

# numpy asks for the processor.
_LIBRARIES_ASK = [["subprocess.Popen", "uname"]]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """What a run of the command did.

    Attributes:
        code: Its exit code.
        err: What it printed on stderr.
        events: What it opened, started and connected to, in order.
    """

    code: int
    err: str
    events: list[list[str]]

    def opened(self) -> list[str]:
        return [event[1] for event in self.events if event[0] == "open"]

    def other(self) -> list[list[str]]:
        """Everything but opening files, loading installed libraries, and what libraries ask whatever the model."""
        return [
            event
            for event in self.events
            if event[0] not in {"open", "ctypes.dlopen"} and event[:2] not in _LIBRARIES_ASK
        ]


@pytest.fixture(scope="session")
def marker():
    return f"marker{uuid.uuid4().hex}"


@pytest.fixture
def audited(tmp_path_factory, marker):
    """Run the command in a process of its own, under an audit hook."""

    def run(*arguments, **environment) -> Run:
        record = tmp_path_factory.mktemp("record") / "record.json"
        command = [sys.executable, str(HERE / "audited.py"), str(record), marker, *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=record.parent,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )
        assert record.exists(), done.stderr
        recorded = json.loads(record.read_text())
        return Run(recorded["code"], done.stderr, recorded["events"])

    return run


def a_model(*layers):
    inputs = {"name": "input", "batch_shape": [None, 4], "dtype": "float32"}
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": inputs}
    options = {"name": "dense", "units": 3, "activation": "linear", "use_bias": True}
    dense = {"module": "keras.layers", "class_name": "Dense", "config": options}
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "model", "layers": [first, dense, *layers]},
    }


@pytest.fixture
def hostile(tmp_path):
    """A ``.keras`` file whose third layer is the given one; other members and weights can be added."""

    def make(*layers, members=(), write=None) -> Path:
        path = tmp_path / "hostile.keras"
        with h5py.File(tmp_path / "weights.h5", "w") as file:
            file["layers/dense/vars/0"] = np.ones((4, 3), "f4")
            file["layers/dense/vars/1"] = np.zeros(3, "f4")
            if write:
                write(file)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
            archive.writestr("config.json", json.dumps(a_model(*layers)))
            archive.write(tmp_path / "weights.h5", "model.weights.h5")
            for name, content in members:
                archive.writestr(name, content)
        (tmp_path / "weights.h5").unlink()
        return path

    return make


@pytest.fixture
def hostile_h5(tmp_path):
    """The same as an ``.h5`` file, which Keras loads without its safe mode."""

    def make(*layers) -> Path:
        path = tmp_path / "hostile.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(a_model(*layers))
            file.attrs["keras_version"] = "3.10.0"
            group = file.create_group("model_weights")
            group.attrs["layer_names"] = ["dense"]
            group.create_group("dense").attrs["weight_names"] = ["dense/kernel", "dense/bias"]
            group["dense/dense/kernel"] = np.ones((4, 3), "f4")
            group["dense/dense/bias"] = np.zeros(3, "f4")
        return path

    return make
