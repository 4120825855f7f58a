"""Small good model files of every kind that the reader knows, and the committed example models."""

import base64
import io
import json
import marshal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutations import Seed, read_seed

MODELS = Path(__file__).parents[2] / "models"


def seeds() -> list[Seed]:
    """Small ones four times as often as the committed ones, which are large."""
    small = [_sequential(), _functional(), _nested(), _legacy()]
    committed = [
        read_seed(path.read_bytes()) for path in sorted(MODELS.glob("*.keras")) + sorted(MODELS.glob("*.h5"))
    ]
    return small * 12 + committed


def _layer(kind: str, name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": {"name": name, "dtype": "float32", **config}}


def _input(size: int = 4, name: str = "input") -> dict[str, Any]:
    return _layer("InputLayer", name, batch_shape=[None, size])


def _tensor(name: str, call: int = 0) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def _called(entry: dict[str, Any], *sources: str) -> dict[str, Any]:
    tensors: Any = [_tensor(source) for source in sources]
    args = tensors if len(tensors) == 1 else [tensors]
    nodes = [{"args": args, "kwargs": {}}] if sources else []
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": nodes}


def _weights(*leaves: tuple[str, tuple[int, ...]]) -> bytes:
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for path, shape in leaves:
            file[path] = np.full(shape, 0.5, "f4")
    return made.getvalue()


def _model(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": kind, "config": {"name": "model", **config}}


def _sequential() -> Seed:
    code = base64.b64encode(marshal.dumps((lambda x: x / (1 + abs(x))).__code__)).decode()
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    layers = [
        _input(),
        _layer("Dense", "dense", units=3, activation="relu", use_bias=True),
        _layer("Lambda", "lambda", function=function, arguments={}),
        _layer("PSSLayer", "pss", None, alpha=3.0),
        _layer("Dense", "out", units=2, activation="softmax", use_bias=True),
    ]
    shapes = {"dense/vars/0": (4, 3), "dense/vars/1": (3,), "dense_1/vars/0": (3, 2), "dense_1/vars/1": (2,)}
    leaves = [(f"layers/{path}", shape) for path, shape in shapes.items()]
    return Seed(_model("Sequential", layers=layers), _weights(*leaves), zipped=True)


def _functional() -> Seed:
    layers = [
        _called(_input()),
        _called(_layer("Dense", "left", units=3, activation="linear"), "input"),
        _called(_layer("RationalSSLayer", "bend", None, a=1.5, b=0.8), "left"),
        _called(
            _layer(
                "Dense", "right", units=3, activation={"class_name": "function", "config": "smooth_sigmoid"}
            ),
            "input",
        ),
        _called(_layer("Add", "sum"), "bend", "right"),
    ]
    config = _model(
        "Functional", layers=layers, input_layers=[["input", 0, 0]], output_layers=[["sum", 0, 0]]
    )
    leaves = [(f"layers/{n}/vars/{i}", s) for n in ("dense", "dense_1") for i, s in enumerate([(4, 3), (3,)])]
    return Seed(config, _weights(*leaves), zipped=True)


def _nested() -> Seed:
    inner = _functional().config
    block = {
        **inner,
        "config": {**inner["config"], "name": "inner"},
        "build_config": {"input_shape": [None, 4]},
    }
    layers = [_input(), block, _layer("LSTM", "steps", units=2, activation="tanh")]
    leaves = [
        (f"layers/functional/layers/{n}/vars/{i}", s)
        for n in ("dense", "dense_1")
        for i, s in enumerate([(4, 3), (3,)])
    ]
    cell = [(f"layers/lstm/cell/vars/{i}", s) for i, s in enumerate([(3, 8), (2, 8), (8,)])]
    return Seed(_model("Sequential", layers=layers), _weights(*leaves, *cell), zipped=True)


def _legacy() -> Seed:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [None, 4]}},
        {"class_name": "Dense", "config": {"name": "dense", "units": 3, "activation": "smooth_sigmoid"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.15.0"
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = ["dense"]
        group.create_group("dense").attrs["weight_names"] = ["dense/kernel:0", "dense/bias:0"]
        group["dense/dense/kernel:0"] = np.full((4, 3), 0.5, "f4")
        group["dense/dense/bias:0"] = np.zeros(3, "f4")
    return Seed(config, made.getvalue(), zipped=False)
