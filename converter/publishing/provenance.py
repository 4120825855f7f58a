"""The provenance that an artefact carries; without paths and times, so that equal runs give equal bytes."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

from converter.evidence import Evidence
from converter.lowering.lower import Rewrite
from converter.options import Options
from converter.publishing import digest
from plainserve import __version__

TOOLS = ("keras", "tensorflow", "tf2onnx", "onnx", "numpy")
"""The packages that artefacts are made with."""


def provenance(
    source: Mapping[str, Any], evidence: Evidence, rewrites: Sequence[Rewrite], options: Options
) -> dict[str, Any]:
    """The record that every artefact of one run carries in the metadata of its format.

    Args:
        source: The ``sha256`` and the ``keras_version`` of the source, among other things.
        evidence: How the formula of each activation is known.
        rewrites: What was lowered and folded, and what was not.
        options: The options of the run.
    """
    return {
        "plainserve": __version__,
        "source": {"sha256": source["sha256"], "keras_version": source["keras_version"]},
        "tools": {tool: importlib.metadata.version(tool) for tool in TOOLS},
        "options": recorded_options(options),
        "activations": [finding.to_json() for finding in evidence.findings],
        "taken_as_keras": [each.to_json() for each in evidence.assumed_built_ins],
        "basis": evidence.basis.value,
        "rewrites": [rewrite.to_json() for rewrite in rewrites],
        "parity": {"atol": options.atol, "rtol": options.rtol, "seed": options.seed}
        if options.parity
        else "unverified",
    }


def recorded_options(options: Options) -> dict[str, Any]:
    """The options that shape an artefact, without paths."""
    return {
        "opset": options.export.opset,
        "fold": options.fold,
        "custom_objects": digest.sha256(options.custom_objects) if options.custom_objects else None,
        "batch": options.shapes.batch,
        "input_shapes": {name: list(shape) for name, shape in sorted(options.shapes.by_name.items())},
        "stated": dict(sorted(options.stated.items())),
    }
