"""Where a model's artefacts go: a folder of files, or the versions of a model repository."""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from converter import manifest
from converter.errors import UsageError
from converter.exporters import get_target
from converter.options import Options
from converter.parity.reference import Answer
from converter.publish import publish, publish_version, staging

_SERVED_NAMES = {"onnx": "model.onnx", "tflite": "model.tflite", "saved_model": "model.savedmodel"}


@dataclass(frozen=True)
class Staged:
    """An artefact in the making.

    Attributes:
        path: Where the exporter writes it.
        place: Where it will go.
    """

    path: Path
    place: Path


class Destination(Protocol):
    """Takes the artefacts of one model."""

    def stage(self, target: str) -> Staged:
        """A place to write an artefact before it is published."""
        ...

    def publish(
        self,
        staged: Staged,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence[Answer],
    ) -> Path:
        """Publish a finished artefact and its manifest, and return where it is."""
        ...


@contextlib.contextmanager
def open_destination(source: Path, options: Options) -> Iterator[Destination]:
    """The destination that the options name; its staging is removed at the end.

    Raises:
        UsageError: A name is not one that a repository can hold, or an artefact would replace its source.
        EnvironmentLacksError: It cannot be written.
    """
    if options.repository:
        name = options.name or source.stem
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", name):
            raise UsageError(
                f"'{name}' is no name for a model in a repository",
                hint="Use letters, digits, '_', '-' and '.'; choose another with --name.",
            )
        with staging(options.repository) as stage:
            yield Repository(options.repository, stage, name, several=len(options.targets) > 1)
        return
    folder = options.output or source.parent
    for target in options.targets:
        if (folder / get_target(target).artefact_name(source.stem)).resolve() == source.resolve():
            raise UsageError("the artefact would replace its source", where=str(source))
    with staging(folder) as stage:
        yield Folder(folder, stage, source.stem)


@dataclass(frozen=True)
class Folder:
    """Artefacts named after the source, with one manifest for all of them."""

    folder: Path
    staging: Path
    stem: str

    def stage(self, target: str) -> Staged:
        """A path of the artefact's own name."""
        name = get_target(target).artefact_name(self.stem)
        return Staged(self.staging / name, self.folder / name)

    def publish(
        self,
        staged: Staged,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence[Answer],  # noqa: ARG002  golden requests are for repositories
    ) -> Path:
        """Replace the artefact, then the manifest."""
        entries = {staged.place.name: entry}
        path = self.folder / f"{self.stem}.manifest.json"
        written = self.staging / path.name
        written.write_text(manifest.merged(path, source, entries), encoding="utf-8")
        publish(staged.path, staged.place)
        publish(written, path)
        return staged.place


@dataclass(frozen=True)
class Repository:
    """Versions ``<root>/<name>/<number>/``, each with its manifest and a golden request and answer."""

    root: Path
    staging: Path
    name: str
    several: bool

    def stage(self, target: str) -> Staged:
        """A path inside a folder that will be the version."""
        name = f"{self.name}_{target}" if self.several else self.name
        version = self.staging / name
        version.mkdir()
        return Staged(version / _SERVED_NAMES[target], self.root / name)

    def publish(
        self,
        staged: Staged,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence[Answer],
    ) -> Path:
        """Add the next version in one step; an older one is never changed."""
        version = staged.path.parent
        entries = {staged.path.name: entry}
        text = manifest.merged(version / "manifest.json", source, entries)
        (version / "manifest.json").write_text(text, encoding="utf-8")
        if answers:
            _write_golden(version / "golden.npz", answers[0], entry)
        new = not staged.place.exists()
        staged.place.mkdir(exist_ok=True)
        try:
            return publish_version(version, staged.place)
        except OSError:
            if new:
                shutil.rmtree(staged.place, ignore_errors=True)
            raise


def _write_golden(path: Path, answer: Answer, entry: Mapping[str, Any]) -> None:
    """A request and its answer, by which a server checks a version before it serves it."""
    names, allowed = entry["names"], entry["parity"]["outputs"].values()
    arrays = {f"input:{names['inputs'][name]}": array for name, array in answer.probe.inputs.items()}
    arrays |= {f"output:{names['outputs'][name]}": array for name, array in answer.outputs.items()}
    arrays |= {
        "atol": np.asarray(max(figures["atol"] for figures in allowed)),
        "rtol": np.asarray(max(figures["rtol"] for figures in allowed)),
    }
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
