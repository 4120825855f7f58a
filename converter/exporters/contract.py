"""The interface of an exporter, and its options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from converter.errors import UsageError

if TYPE_CHECKING:
    import keras

    from converter.signature import Signature

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None

PROVENANCE_KEY = "plainserve"
"""The key of the provenance in the metadata of every format."""

MIN_OPSET = 13
MAX_OPSET = 18
"""tf2onnx writes no later opset, and past 21 onnxruntime no longer fuses softsign."""


@dataclass(frozen=True)
class ExportOptions:
    """Options that concern single target formats; the others ignore them.

    Attributes:
        opset: ONNX operator set, 13 to 18.

    Raises:
        UsageError: The opset is out of range.
    """

    opset: int = MAX_OPSET

    def __post_init__(self) -> None:
        if not MIN_OPSET <= self.opset <= MAX_OPSET:
            raise UsageError(
                f"opset {self.opset} cannot be written",
                where="--opset",
                hint=f"Choose one from {MIN_OPSET} to {MAX_OPSET}.",
            )


class Exporter(Protocol):
    """A module that writes one format."""

    def export(
        self,
        model: "keras.Model",
        signature: "Signature",
        path: Path,
        provenance: Mapping[str, Json],
        options: ExportOptions,
    ) -> None:
        """Write the model to ``path``, which does not exist yet.

        Args:
            model: A functional model of built-in layers and plain-op callables; its inputs and outputs are flat lists
                in the order of the signature.
            signature: Names (legal in the format), shapes and dtypes.
            path: File or folder to create; its parent exists.
            provenance: JSON object for the metadata of the artefact.
            options: Options that concern single formats.

        Raises:
            UnsupportedError: The format cannot express something in the model.
        """
