"""Writes the manifest, ``<stem>.manifest.json`` or ``manifest.json``, of published artefacts.

It lists the artefacts of a folder: the source of each, and its parity. ``manifest_entry`` makes the entry of one.
"""

import json
from pathlib import Path
from typing import Any

SCHEMA = 1


def manifest_text(path: Path, source: dict[str, Any], artefacts: dict[str, dict[str, Any]]) -> str:
    """The text of a manifest with the artefacts of this run beside those of earlier runs.

    Each entry has the SHA-256 of the source of its artefact, so entries of an older source can be told apart.

    Args:
        path: Where an earlier manifest may be; one that cannot be read is replaced.
        source: The source of this run.
        artefacts: The entries of this run by file name.
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
