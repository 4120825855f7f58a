"""Reads what the converter proved about a model from ``manifest.json`` in the version's folder.

The manifest is used only if it has the digest of the artefact that is served; otherwise it proves nothing.
"""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

FILE = "manifest.json"

LARGEST = 16 << 20
"""Most bytes of a manifest; the converter writes some thousands for each layer that it rewrites."""

_SAVED_MODEL = "saved_model.pb"
_BESIDE = frozenset({FILE, "golden.npz"})
"""The files that the converter writes beside a SavedModel, in the version's folder itself."""


def proves_independent_rows(artefact: Path) -> bool:
    """Whether the converter proved that no row of this very artefact depends on the others of its batch.

    Args:
        artefact: The file, or ``saved_model.pb`` with the rest of its SavedModel beside it.
    """
    entry = _entry(artefact)
    # The digest last: it reads the whole artefact.
    return entry.get("rows_independent") is True and entry.get("sha256") == _digest(artefact)


def _entry(artefact: Path) -> dict[str, Any]:
    """The entry of an artefact in its manifest; empty if there is none, or if it cannot be read."""
    path = artefact.parent / FILE
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            return {}
        entry = json.loads(path.read_bytes())["artefacts"][artefact.name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _digest(artefact: Path) -> str:
    """SHA-256 of a file; of a SavedModel, of its files' names below the folder and their digests, in order."""
    if artefact.name != _SAVED_MODEL:
        with artefact.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    folder, whole = artefact.parent, hashlib.sha256()
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if file.parent == folder and file.name in _BESIDE:
            continue
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return whole.hexdigest()
