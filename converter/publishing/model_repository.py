"""Publishes versions into a model repository, ``<root>/<model>/<version>/``, which other servers read too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.dtypes import numpy_dtype
from converter.options import Options
from converter.publishing import digest
from converter.publishing.atomic_publish import move, move_version, moving, sync
from converter.publishing.manifest import manifest_text
from converter.publishing.staged_artefact import StagedArtefact
from converter.publishing.triton_config import config, is_ours
from converter.signature import TensorSpec

if TYPE_CHECKING:  # it imports Keras, and --skip-unchanged must not
    from converter.parity.reference import Answer

ARTEFACTS = {"onnx": "model.onnx", "tflite": "model.tflite", "saved_model": "saved_model.pb"}
"""The file in the folder of a version by which servers recognise the format. The other files of a SavedModel are
beside it, as TensorFlow Serving requires."""

CONFIG = "config.pbtxt"
MANIFEST = "manifest.json"
GOLDEN = "golden.npz"


def model_name(source: Path, target: str, options: Options) -> str:
    """The name of a model in the repository; with several targets, the target is part of it."""
    name = options.name or source.stem
    return f"{name}_{target}" if len(options.targets) > 1 else name


def newest_version(model: Path) -> Path | None:
    """The folder of the version with the highest number; None if there is none."""
    numbered = [each for each in model.glob("*") if each.name.isdecimal() and each.is_dir()]
    return max(numbered, key=lambda each: int(each.name), default=None)


@dataclass(frozen=True)
class Repository:
    """Versions, each with its manifest and a golden request and answer; see ``destination.Destination``.

    Attributes:
        source: The file that is converted.
        staging: A folder on the repository's disk.
        options: The options of the run; the model's name is among them.
        root: Folder of the repository.
    """

    source: Path
    staging: Path
    options: Options
    root: Path

    def stage(self, target: str) -> StagedArtefact:
        """A path inside a folder that will be the version."""
        name = model_name(self.source, target, self.options)
        version = self.staging / name
        version.mkdir()
        # A SavedModel is a folder, whose files are moved up before it is published.
        file = "saved_model" if target == "saved_model" else ARTEFACTS[target]
        return StagedArtefact(version / file, self.root / name)

    def publish(
        self,
        staged: StagedArtefact,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence["Answer"],
    ) -> Path:
        """Add the next version in one step; an older one is never changed."""
        version = staged.path.parent
        if staged.path.is_dir():
            _move_up(staged.path)
        text = manifest_text(version / MANIFEST, source, {ARTEFACTS[entry["target"]]: entry})
        (version / MANIFEST).write_text(text, encoding="utf-8")
        if answers:
            _write_golden(version / GOLDEN, answers[0], entry)
        sync(version)
        place = staged.place / CONFIG
        # The owner of the repository may have edited it.
        edited = place.exists() and not is_ours(place.read_text(encoding="utf-8", errors="replace"))
        settings = None if edited else self._staged_config(entry)
        with moving() as published:
            published.append(move_version(version, staged.place))
            if settings:
                move(settings, place)
            elif not edited:
                place.unlink(missing_ok=True)
        return published[0]

    def _staged_config(self, entry: Mapping[str, Any]) -> Path | None:
        """Write the ``config.pbtxt`` of a model, if it gets one."""
        inputs, outputs = ([TensorSpec(**each) for each in entry[side]] for side in ("inputs", "outputs"))
        text = config(entry["target"], inputs, outputs, joins=entry["rows_independent"])
        if text is None:
            return None
        written = self.staging / CONFIG
        written.write_text(text, encoding="utf-8")
        sync(written)
        return written


def artefact_sha256(version: Path, target: str) -> str:
    """The digest of the artefact in the folder of a version, computed as for the manifest."""
    if target == "saved_model":
        return digest.sha256(version, without=frozenset({MANIFEST, GOLDEN}))
    return digest.sha256(version / ARTEFACTS[target])


def _move_up(folder: Path) -> None:
    """Move the content of a folder into its parent, and remove the folder."""
    for each in folder.iterdir():
        each.rename(folder.parent / each.name)
    folder.rmdir()


def _write_golden(path: Path, answer: "Answer", entry: Mapping[str, Any]) -> None:
    """Write a request and its answer, by which a server checks a version before it serves it.

    Where the artefact was measured by the rounding of the original, it may differ by more than the tolerance.
    """
    names, allowed = entry["names"], entry["parity"]["outputs"].values()
    arrays = {}
    for side, given in (("input", answer.probe.inputs), ("output", answer.outputs)):
        dtypes = {spec["name"]: spec["dtype"] for spec in entry[f"{side}s"]}
        for name, array in given.items():
            legal = names[f"{side}s"][name]
            arrays[f"{side}:{legal}"] = array.astype(numpy_dtype(dtypes[legal]))
    arrays |= {
        "atol": np.asarray(max(_slack(metrics) * metrics["atol"] for metrics in allowed)),
        "rtol": np.asarray(max(_slack(metrics) * metrics["rtol"] for metrics in allowed)),
    }
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _slack(metrics: Mapping[str, Any]) -> float:
    """How many tolerances the artefact may be from the original: each may be that far from the exact answer."""
    own = float(metrics["own_rounding"])
    return 2 * own if own > 1 else 1.0
