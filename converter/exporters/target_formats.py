"""The registry of target formats: the name, the file name, the naming rule and the exporter of each.

Importing this module imports no framework; an exporter's module is imported when it is used.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from converter.errors import UnsupportedError, UsageError
from converter.exporters import naming
from converter.exporters.contract import Exporter, ExportOptions, Json
from converter.process.framework_output import quiet
from converter.signature import Signature

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Target:
    """One target format.

    Attributes:
        name: As typed after ``--to``.
        pattern: Its file name, with ``{stem}`` for the stem of the source.
        module: The module that implements ``Exporter``.
        legal_name: Makes the name of an input or output legal in the format.
        shared_namespace: Whether an output cannot have the name of an input.
        most_bytes: Size limit of a file; None for no limit.
        computes_in: The float type that replaces 16-bit ones, if its runtime has no kernels for them; else None.
    """

    name: str
    pattern: str
    module: str
    legal_name: naming.LegalName
    shared_namespace: bool = False
    most_bytes: int | None = None
    computes_in: str | None = None

    def artefact_name(self, stem: str) -> str:
        """File or folder name of the artefact of a source called ``stem``."""
        return self.pattern.format(stem=stem)

    def require_room(self, weights: int) -> None:
        """Check that a model is small enough for the format.

        Args:
            weights: Bytes of the weights of the model.

        Raises:
            UnsupportedError: The weights exceed the size limit of a file.
        """
        if self.most_bytes is not None and weights > self.most_bytes:
            raise UnsupportedError(
                f"{weights / 1e9:.1f} GB of weights are more than the 2 GB that one file can hold",
                where=self.name,
                hint="Convert with --to saved_model, which has no such limit.",
            )

    def legalise(self, signature: Signature) -> Signature:
        """Give inputs and outputs names that are legal and distinct in the format."""
        return naming.legalise(signature, self.legal_name, shared_namespace=self.shared_namespace)

    def export(
        self,
        model: "keras.Model",
        signature: Signature,
        path: Path,
        provenance: Mapping[str, Json],
        options: ExportOptions | None = None,
    ) -> None:
        """Write the model as this format; see ``contract.Exporter``. The output of the frameworks is discarded.

        Raises:
            ValueError: A name in the signature is not legal in this format; call ``legalise`` first.
            UnsupportedError: The format cannot express something in the model.
        """
        if self.legalise(signature) != signature:
            raise ValueError(f"the signature has names that {self.name} cannot hold: {signature}")
        with quiet():
            exporter = cast("Exporter", importlib.import_module(self.module))
            exporter.export(model, signature, path, provenance, options or ExportOptions())


# The limit of protobuf and flatbuffers is 2^31 bytes; some are reserved for the graph around the weights.
_TWO_GB = 2**31 - 2**24

TARGETS: dict[str, Target] = {}
"""Every registered target by name, in the order in which they are listed to the user."""


def register(target: Target) -> None:
    """Add a target.

    Raises:
        ValueError: Its name is taken.
    """
    if target.name in TARGETS:
        raise ValueError(f"target {target.name!r} is registered twice")
    TARGETS[target.name] = target


def get_target(name: str) -> Target:
    """Return the target of this name.

    Raises:
        UsageError: There is none.
    """
    try:
        return TARGETS[name]
    except KeyError:
        raise UsageError(
            f"unknown target format {name!r}", where="--to", hint=f"Choose from {', '.join(TARGETS)}."
        ) from None


for _target in (
    Target(
        "onnx",
        "{stem}.onnx",
        "converter.exporters.onnx.exporter",
        naming.any_text,
        shared_namespace=True,
        most_bytes=_TWO_GB,
    ),
    Target(
        "tflite",
        "{stem}.tflite",
        "converter.exporters.tflite.exporter",
        naming.argument_name,
        most_bytes=_TWO_GB,
        computes_in="float32",
    ),
    Target("saved_model", "{stem}_saved_model", "converter.exporters.saved_model", naming.argument_name),
    Target("keras", "{stem}_plain.keras", "converter.exporters.keras", naming.any_text),
):
    register(_target)
