"""A destination that is a model repository, ``<root>/<model>/<version>/``, which other servers read too."""

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

if TYPE_CHECKING:  # it imports Keras, and whether a model is unchanged is asked without
    from converter.parity.reference import Answer

ARTEFACTS = {"onnx": "model.onnx", "tflite": "model.tflite", "saved_model": "saved_model.pb"}
"""The file in a version's folder by which servers know the format. A SavedModel's other files lie beside it, as
TensorFlow Serving wants them."""

CONFIG = "config.pbtxt"
MANIFEST = "manifest.json"
GOLDEN = "golden.npz"


def model_name(source: Path, target: str, options: Options) -> str:
    """What a model is called in the repository; with several targets, the name tells which it is."""
    name = options.name or source.stem
    return f"{name}_{target}" if len(options.targets) > 1 else name


def newest_version(model: Path) -> Path | None:
    """The version's folder with the highest number; None if there is none."""
    numbered = [each for each in model.glob("*") if each.name.isdecimal() and each.is_dir()]
    return max(numbered, key=lambda each: int(each.name), default=None)


@dataclass(frozen=True)
class Repository:
    """Versions, each with its manifest and a golden request and answer; see ``destination.Destination``.

    Attributes:
        source: The file that is converted.
        staging: A folder on the repository's disk.
        options: They name the repository.
        root: The repository.
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
        file = "saved_model" if target == "saved_model" else ARTEFACTS[target]  # a folder, spilled at the end
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
            _spill(staged.path)
        text = manifest_text(version / MANIFEST, source, {ARTEFACTS[entry["target"]]: entry})
        (version / MANIFEST).write_text(text, encoding="utf-8")
        if answers:
            _write_golden(version / GOLDEN, answers[0], entry)
        sync(version)
        place = staged.place / CONFIG
        # Its owner may have made it his.
        theirs = place.exists() and not is_ours(place.read_text(encoding="utf-8", errors="replace"))
        settings = None if theirs else self._staged_config(entry)
        with moving() as published:
            published.append(move_version(version, staged.place))
            if settings:
                move(settings, place)
            elif not theirs:
                place.unlink(missing_ok=True)
        return published[0]

    def _staged_config(self, entry: Mapping[str, Any]) -> Path | None:
        """Write the config that belongs to a version, if one does."""
        inputs, outputs = ([TensorSpec(**each) for each in entry[side]] for side in ("inputs", "outputs"))
        text = config(entry["target"], inputs, outputs, joins=entry["rows_independent"])
        if text is None:
            return None
        written = self.staging / CONFIG
        written.write_text(text, encoding="utf-8")
        sync(written)
        return written


def artefact_sha256(version: Path, target: str) -> str:
    """The digest that a manifest has of an artefact, of the one that lies in a version's folder."""
    if target == "saved_model":
        return digest.sha256(version, without=frozenset({MANIFEST, GOLDEN}))
    return digest.sha256(version / ARTEFACTS[target])


def _spill(folder: Path) -> None:
    """Move what is in a folder into the one above, and remove it."""
    for each in folder.iterdir():
        each.rename(folder.parent / each.name)
    folder.rmdir()


def _write_golden(path: Path, answer: "Answer", entry: Mapping[str, Any]) -> None:
    """A request and its answer, by which a server checks a version before it serves it.

    Where the original's own rounding was the measure, the artefact may differ by more than the tolerance.
    """
    names, allowed = entry["names"], entry["parity"]["outputs"].values()
    arrays = {}
    for way, given in (("input", answer.probe.inputs), ("output", answer.outputs)):
        dtypes = {spec["name"]: spec["dtype"] for spec in entry[f"{way}s"]}
        for name, array in given.items():
            legal = names[f"{way}s"][name]
            arrays[f"{way}:{legal}"] = array.astype(numpy_dtype(dtypes[legal]))
    arrays |= {
        "atol": np.asarray(max(_slack(figures) * figures["atol"] for figures in allowed)),
        "rtol": np.asarray(max(_slack(figures) * figures["rtol"] for figures in allowed)),
    }
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _slack(figures: Mapping[str, Any]) -> float:
    """How far the artefact may be from the original: both are so many tolerances from the exact answer."""
    own = float(figures["own_rounding"])
    return 2 * own if own > 1 else 1.0
