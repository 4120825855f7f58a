"""Writes a ``.keras`` file of built-in layers alone, which any Keras 3 loads in safe mode."""

import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from converter.errors import UnsupportedError
from converter.exporters.contract import PROVENANCE_KEY, ExportOptions, Json
from converter.signature import Signature

NAMES_KEY = f"{PROVENANCE_KEY}_signature"
"""In ``metadata.json``: the names of inputs and outputs, which Keras itself does not store."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can represent, so that the file does not depend on when it was written."""

_CODE = frozenset({"Lambda", "__lambda__"})
"""Class names under which Keras serialises Python functions."""


def export(
    model: keras.Model,
    signature: Signature,
    path: Path,
    provenance: Mapping[str, Json],
    options: ExportOptions,  # noqa: ARG001  no option concerns this format
) -> None:
    """Write a ``.keras`` file; see ``contract.Exporter``.

    Raises:
        UnsupportedError: A layer or function in the model is not part of Keras.
    """
    with tempfile.TemporaryDirectory(prefix="plainserve-") as folder:
        raw = Path(folder, "model.keras")
        model.save(raw)
        with zipfile.ZipFile(raw) as archive:
            entries = {name: archive.read(name) for name in sorted(archive.namelist())}
    config = json.loads(entries["config.json"])
    require_built_in(config)
    _renumber_shared_objects(config)
    metadata = json.loads(entries["metadata.json"])
    del metadata["date_saved"]
    metadata[PROVENANCE_KEY] = provenance
    metadata[NAMES_KEY] = {
        "inputs": [spec.name for spec in signature.inputs],
        "outputs": [spec.name for spec in signature.outputs],
    }
    entries["config.json"] = json.dumps(config).encode()
    entries["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def require_built_in(config: Mapping[str, Any]) -> None:
    """Refuse a model that Keras could not load without custom code.

    Args:
        config: Content of the file's ``config.json``.

    Raises:
        UnsupportedError: It contains a class or function from outside Keras, or a Lambda.
    """
    for entry, layer in _mappings(config, layer=""):
        foreign = _foreign_name(entry)
        if foreign:
            raise UnsupportedError(
                f"{foreign} is not built into Keras, so a .keras file would not load without its code",
                where=f"layer {layer!r}" if layer else "model",
                hint="Choose another format with --to.",
            )


def _foreign_name(entry: Mapping[str, Any]) -> str:
    """The class or function from outside Keras that a serialised object needs; empty if there is none."""
    if entry.keys() == {"value"} and isinstance(entry["value"], list):
        return "a Python lambda"  # the form that Keras gives to an activation's bytecode
    if not {"class_name", "config"} <= entry.keys():
        return ""
    name = str(entry["class_name"])
    if name == "function":
        return f"function {entry['config']!r}"
    registered = entry.get("registered_name")
    package = str(entry.get("module", "keras")).partition(".")[0]
    if package not in ("keras", "builtins") or name in _CODE or registered not in (None, name):
        return repr(registered or name)
    return ""


def _mappings(node: Any, layer: str) -> Iterator[tuple[Mapping[str, Any], str]]:  # noqa: ANN401  parsed JSON
    """Yield every JSON object and the name of the layer that contains it."""
    if isinstance(node, Mapping):
        if "inbound_nodes" in node or "build_config" in node:
            layer = str(node["config"].get("name", layer))
        yield node, layer
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _mappings(child, layer)


def _renumber_shared_objects(config: Mapping[str, Any]) -> None:
    """Replace ``shared_object_id``, an address in memory, by the order of first appearance, in place."""
    numbers: dict[int, int] = {}
    stack: list[Any] = [config]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get("shared_object_id"), int):
                node["shared_object_id"] = numbers.setdefault(node["shared_object_id"], len(numbers))
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
