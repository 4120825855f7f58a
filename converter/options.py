"""The options of a conversion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converter.description import InputShapes
from converter.errors import UsageError
from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import get_target

SERVABLE = frozenset({"onnx", "tflite", "saved_model"})
"""Target formats that a server of a model repository runs."""


@dataclass(frozen=True)
class Options:
    """Options of one run, the same for each of its models.

    Attributes:
        targets: Names of target formats, in order.
        output: Folder for the artefacts; None for the folder of each source.
        repository: Folder of a model repository to add versions to, instead of ``output``.
        name: Name in the repository; None for the stem of the source.
        skip_unchanged: Whether to skip a model whose newest versions were made from the same file, options and tools.
        weights: The weights file of a model that is given as JSON.
        stated: ``--activation``: the stated formulas by layer name.
        shapes: ``--input-shape`` and ``--batch``.
        export: Options of single formats.
        fold: Whether scales are folded into linear layers.
        parity: Whether artefacts are compared with the original before they are published.
        atol: Absolute tolerance; None for the default of the dtype.
        rtol: Relative tolerance; None for the default of the dtype.
        seed: Seed of the generated inputs.
        custom_objects: A Python file with the user's own classes and functions; it is run.
        samples: A file with the user's own inputs, and possibly the recorded outputs of their model.
        expected: A file with the recorded outputs for ``samples``, if they are not in that file.
        require_proof: Whether to refuse a model whose formulas are only stated or assumed.
        keep_failed: Folder in which artefacts that missed parity are kept for study.
        allow_nonfinite: Whether weights may be NaN or infinite.

    Raises:
        UsageError: Options contradict each other.
    """

    targets: tuple[str, ...] = ()
    output: Path | None = None
    repository: Path | None = None
    name: str | None = None
    skip_unchanged: bool = False
    weights: Path | None = None
    stated: Mapping[str, str] = field(default_factory=dict)
    shapes: InputShapes = field(default_factory=InputShapes)
    export: ExportOptions = field(default_factory=ExportOptions)
    fold: bool = True
    parity: bool = True
    atol: float | None = None
    rtol: float | None = None
    seed: int = 0
    custom_objects: Path | None = None
    samples: Path | None = None
    expected: Path | None = None
    require_proof: bool = False
    keep_failed: Path | None = None
    allow_nonfinite: bool = False

    def __post_init__(self) -> None:
        for target in self.targets:
            get_target(target)
        if self.custom_objects and not self.custom_objects.is_file():
            raise UsageError("is not a file", where=f"--custom-objects {self.custom_objects}")
        if self.expected and not self.samples:
            raise UsageError("--expected needs --samples: the inputs that it answers")
        if self.require_proof and not self.parity:
            raise UsageError("--require-proof and --no-parity exclude each other")
        if self.repository and self.output:
            raise UsageError("--repository and --output exclude each other")
        if not self.targets and (self.output or self.repository):
            raise UsageError(
                "--output and --repository go with --to",
                hint="Say what to write: --to onnx, for one. Without --to a model is described.",
            )
        if self.name and not self.repository:
            raise UsageError("--name goes with --repository")
        if self.skip_unchanged and not self.repository:
            raise UsageError("--skip-unchanged goes with --repository")
        unservable = [target for target in self.targets if target not in SERVABLE]
        if self.repository and unservable:
            raise UsageError(f"no server runs '{unservable[0]}', so it cannot go into a repository")
