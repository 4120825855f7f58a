"""The runtimes that check and run exported artefacts, one per target format.

Importing this module imports no framework; a runtime's module is imported when an artefact is opened.
"""

import importlib
from pathlib import Path
from typing import cast

from converter.artefacts.contract import Artefact
from converter.errors import UsageError
from converter.process.framework_output import quiet

RUNTIMES: dict[str, tuple[str, str]] = {
    "onnx": ("converter.artefacts.onnx", "OnnxArtefact"),
    "tflite": ("converter.artefacts.tflite", "TfliteArtefact"),
    "saved_model": ("converter.artefacts.saved_model", "SavedModelArtefact"),
    "keras": ("converter.artefacts.keras", "KerasArtefact"),
}
"""Module and class of the runtime of each target."""


def open_artefact(target: str, path: Path) -> Artefact:
    """Open an exported artefact.

    Args:
        target: Name of its format, one of ``RUNTIMES``.
        path: The file, or the folder of a SavedModel.

    Raises:
        UsageError: The format is unknown.
        UnsupportedError: The runtime refuses the artefact.
    """
    if target not in RUNTIMES:
        raise UsageError(f"unknown target format {target!r}", hint=f"Choose from {', '.join(RUNTIMES)}.")
    module, name = RUNTIMES[target]
    with quiet():
        return cast("Artefact", getattr(importlib.import_module(module), name)(path))
