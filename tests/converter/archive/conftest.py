"""Model files made here with zipfile and h5py alone, so that each can be wrong in one way."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from converter.archive import open_archive
from converter.description import InputShapes, describe
from converter.errors import ConversionError


def a_config(**options):
    """Four numbers -> Dense of three -> PSS."""
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer",
         "config": {"name": "input", "batch_shape": [None, 4], "dtype": "float32"}},
        {"module": "keras.layers", "class_name": "Dense",
         "config": {"name": "dense", "units": 3, "activation": "linear", "use_bias": True, **options}},
        {"module": None, "class_name": "PSSLayer", "registered_name": "PSSLayer",
         "config": {"name": "pss", "alpha": 3.0}},
    ]  # fmt: skip
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": layers}}


def a_weights_file(write: Callable[[h5py.File], None] | None = None) -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file["layers/dense/vars/0"] = np.arange(12, dtype="f4").reshape(4, 3)
        file["layers/dense/vars/1"] = np.zeros(3, "f4")
        if write:
            write(file)
    return made.getvalue()


@pytest.fixture
def config():
    return a_config()


@pytest.fixture
def keras_file(tmp_path):
    """A ``.keras`` file; its description, its weights and its other members can be given."""

    def make(config=None, weights=None, members=(), compression=zipfile.ZIP_STORED) -> Path:
        path = tmp_path / "model.keras"
        text = config if isinstance(config, str | bytes) else json.dumps(config or a_config())
        data = weights if isinstance(weights, bytes) else a_weights_file(weights)
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
            archive.writestr("config.json", text)
            archive.writestr("model.weights.h5", data)
            for name, content in members:
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def h5_file(tmp_path):
    """An ``.h5`` file, changed once it is whole."""

    def make(change=None, config=None) -> Path:
        path = tmp_path / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(config or a_config())
            file.attrs["keras_version"] = "2.15.0"
            group = file.create_group("model_weights")
            group.attrs["layer_names"] = ["dense", "pss"]
            group.create_group("dense").attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
            group.create_group("pss").attrs["weight_names"] = np.zeros(0)
            group["dense/dense/kernel:0"] = np.arange(12, dtype="f4").reshape(4, 3)
            group["dense/dense/bias:0"] = np.zeros(3, "f4")
            if change:
                change(file)
        return path

    return make


def described(path, **budget):
    with open_archive(path, **budget) as archive:
        archive.verify()
        return describe(archive, {}, InputShapes())


@pytest.fixture
def refusal():
    """The error with which a file is refused, while it is opened or described."""

    def refuse(path, **budget) -> ConversionError:
        with pytest.raises(ConversionError) as caught:
            described(path, **budget)
        lines = str(caught.value).splitlines()
        assert len(lines) <= 2
        assert all(line.isprintable() for line in lines)
        assert path.name in lines[0] or "layer '" in lines[0] or "model" in lines[0]
        return caught.value

    return refuse
