"""What an artefact in a repository is made from: if nothing of that has changed, it need not be made again."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

from converter.archive import combined
from converter.basis import Basis
from converter.options import Options
from converter.publishing import manifest
from converter.publishing.model_repository import (
    ARTEFACTS,
    MANIFEST,
    artefact_sha256,
    model_name,
    newest_version,
)
from converter.publishing.provenance import TOOLS
from plainserve import __version__


def recipe(source_sha256: str, options: Options) -> str:
    """SHA-256 of all that decides about an artefact and its proof: the files, the options, the tools."""
    files = (options.custom_objects, options.samples, options.expected)
    made_from = {
        "plainserve": __version__,
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "source": source_sha256,
        "options": options.to_json(),
        "files": [manifest.sha256(file) if file else None for file in files],
        "parity": [options.parity, options.atol, options.rtol, options.seed, options.allow_nonfinite],
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def is_current(source: Path, options: Options) -> bool:
    """Whether the newest version of every target in the repository was made like this, and is still whole."""
    files = [source, options.weights] if options.weights else [source]
    if options.repository is None or not all(file.is_file() for file in files):
        return False
    try:
        wanted = recipe(combined([manifest.sha256(file) for file in files]), options)
    except importlib.metadata.PackageNotFoundError:  # the conversion itself says what is missing
        return False
    return all(
        _was_made(options.repository / model_name(source, target, options), target, wanted, options)
        for target in options.targets
    )


def _was_made(model: Path, target: str, wanted: str, options: Options) -> bool:
    version = newest_version(model)
    if version is None:
        return False
    try:
        entry = json.loads((version / MANIFEST).read_bytes())["artefacts"][ARTEFACTS[target]]
        proved = not options.require_proof or Basis(entry["basis"]).proves
        same = entry["recipe"] == wanted and entry["sha256"] == artefact_sha256(version, target)
        # A version that does not say it runs each request alone for ever.
        return bool(proved and same and "rows_independent" in entry)
    except (OSError, ValueError, KeyError, TypeError):  # removed, damaged, or written by an older version
        return False
