"""Model files with something changed in them, made from the example models."""

import base64
import json
import marshal
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Change = Callable[[dict], None]


@pytest.fixture
def edited(models, tmp_path) -> Callable[..., Path]:
    """Copy an example model with its config.json changed."""

    def edit(model: str, change: Change, name: str = "edited.keras") -> Path:
        made = tmp_path / name
        with zipfile.ZipFile(models / model) as source, zipfile.ZipFile(made, "w") as target:
            for member in source.namelist():
                data = source.read(member)
                if member == "config.json":
                    config = json.loads(data)
                    change(config)
                    data = json.dumps(config).encode()
                target.writestr(member, data)
        return made

    return edit


@pytest.fixture
def with_lambda(edited, layer_of) -> Callable[[str], Path]:
    """The SS example with another lambda, given as source."""

    def make(source: str) -> Path:
        code = compile(source, "<lambda>", "eval").co_consts[0]

        def change(config: dict) -> None:
            layer_of(config, "lambda")["config"]["function"]["config"] = {
                "code": base64.b64encode(marshal.dumps(code)).decode(),
                "defaults": None,
                "closure": None,
            }

        return edited("mnist_ss.keras", change, "lambda.keras")

    return make


@pytest.fixture
def layer_of() -> Callable[[dict, str], dict]:
    """A layer's entry in a config.json."""

    def find(config: dict, name: str) -> dict:
        return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)

    return find
