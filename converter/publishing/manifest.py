"""``<stem>.manifest.json``: which artefacts there are, from which source, and how well they agree with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

SCHEMA = 1


def merged(path: Path, source: dict[str, Any], artefacts: dict[str, dict[str, Any]]) -> str:
    """The text of a manifest with this run's artefacts beside those of earlier runs.

    Each artefact names the SHA-256 of the source that it came from, so entries of an older source tell.

    Args:
        path: Where a manifest may already be; one that cannot be read is replaced.
        source: What this run converted.
        artefacts: This run's entries by file name.
    """
    try:
        before = json.loads(path.read_bytes())
        known = before["artefacts"] if before["schema"] == SCHEMA else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    entries = {**(known if isinstance(known, dict) else {}), **artefacts}
    text = json.dumps(
        {"schema": SCHEMA, "source": source, "artefacts": dict(sorted(entries.items()))},
        indent=2,
        ensure_ascii=False,
        allow_nan=False,
    )
    return text + "\n"


def sha256(path: Path, without: frozenset[str] = frozenset()) -> str:
    """SHA-256 of a file, or of a folder: of its sorted relative names and their files' digests.

    Args:
        path: The file or folder.
        without: Names directly in the folder that do not count.
    """
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
            if file.parent == path and file.name in without:
                continue
            whole.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    return path.stat().st_size
