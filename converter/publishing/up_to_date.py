"""Whether the newest versions in a repository are up to date, so that ``--skip-unchanged`` can skip a model."""

import hashlib
import importlib.metadata
import json
from pathlib import Path

from converter.archive import combined_digest
from converter.basis import Basis
from converter.options import Options
from converter.publishing import digest
from converter.publishing.model_repository import (
    ARTEFACTS,
    MANIFEST,
    artefact_sha256,
    model_name,
    newest_version,
)
from converter.publishing.provenance import TOOLS, recorded_options
from plainserve import __version__


def recipe(source_sha256: str, options: Options) -> str:
    """SHA-256 of everything that determines an artefact and its proof: the files, the options, the tools."""
    files = (options.custom_objects, options.samples, options.expected)
    made_from = {
        "plainserve": __version__,
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "source": source_sha256,
        "options": recorded_options(options),
        "files": [digest.sha256(file) if file else None for file in files],
        "parity": [options.parity, options.atol, options.rtol, options.seed, options.allow_nonfinite],
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def is_current(source: Path, options: Options) -> bool:
    """Whether the newest version of every target in the repository has this recipe, and is undamaged."""
    files = [source, options.weights] if options.weights else [source]
    if options.repository is None or not all(file.is_file() for file in files):
        return False
    try:
        expected = recipe(combined_digest([digest.sha256(file) for file in files]), options)
    except importlib.metadata.PackageNotFoundError:  # the conversion reports what is missing
        return False
    return all(
        _has_recipe(options.repository / model_name(source, target, options), target, expected, options)
        for target in options.targets
    )


def _has_recipe(model: Path, target: str, expected: str, options: Options) -> bool:
    version = newest_version(model)
    if version is None:
        return False
    try:
        entry = json.loads((version / MANIFEST).read_bytes())["artefacts"][ARTEFACTS[target]]
        proved = not options.require_proof or Basis(entry["basis"]).proves
        same = entry["recipe"] == expected and entry["sha256"] == artefact_sha256(version, target)
        # Without the last entry a server runs each request alone, so such a version is made anew.
        return bool(proved and same and "rows_independent" in entry)
    except (OSError, ValueError, KeyError, TypeError):  # removed, damaged, or written by an older version
        return False
