"""The runtimes that run models, selected by the name of the file or folder in a version's folder.

A new format is one file beside this one and one row in :data:`ARTEFACTS`.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Protocol

from serving.errors import ModelLoadError
from serving.runtimes.runtime import Runtime
from serving.runtimes.settings import DEFAULTS, Settings

# Read by onnxruntime when it is imported; the call that it has in Python comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def _onnx(path: Path, settings: Settings = DEFAULTS) -> Runtime:
    from serving.runtimes.onnx import OnnxRuntime  # noqa: PLC0415  each library loads with its first model

    return OnnxRuntime(path, settings)


def _tflite(path: Path, settings: Settings = DEFAULTS) -> Runtime:
    from serving.runtimes.tflite import TfliteRuntime  # noqa: PLC0415  likewise

    return TfliteRuntime(path, settings)


def _saved_model(path: Path, settings: Settings = DEFAULTS) -> Runtime:
    from serving.runtimes.saved_model import SavedModelRuntime  # noqa: PLC0415  likewise

    return SavedModelRuntime(path, settings)


def _saved_model_above(path: Path, settings: Settings = DEFAULTS) -> Runtime:
    return _saved_model(path.parent, settings)


class Opener(Protocol):
    """Opens a file or folder as a runtime."""

    def __call__(self, path: Path, settings: Settings = DEFAULTS) -> Runtime:
        """Open it with the settings of its owner; raises ModelLoadError."""


ARTEFACTS: dict[str, Opener] = {
    "model.onnx": _onnx,
    "model.tflite": _tflite,
    "model.savedmodel": _saved_model,
    "saved_model.pb": _saved_model_above,
}
"""What opens an artefact of that name. TensorFlow Serving has ``saved_model.pb`` in the version's folder."""


def prepare(artefact: str) -> None:
    """Import the library for an artefact of that name. If it is missing, opening such an artefact reports that."""
    module = {"model.onnx": "onnx", "model.tflite": "tflite"}.get(artefact, "saved_model")
    with suppress(ImportError, ModelLoadError):
        prepared = import_module(f"serving.runtimes.{module}")
        getattr(prepared, "import_library", lambda: None)()
