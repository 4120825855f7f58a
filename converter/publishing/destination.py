"""Where a model's artefacts go: a folder of files, or the versions of a model repository."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from converter.errors import UsageError
from converter.exporters.target_formats import get_target
from converter.options import Options
from converter.publishing.atomic_publish import move, moving, staging, sync
from converter.publishing.manifest import manifest_text
from converter.publishing.model_repository import Repository
from converter.publishing.staged_artefact import StagedArtefact

if TYPE_CHECKING:  # it imports Keras, and the destination is checked before
    from converter.parity.reference import Answer


class Destination(Protocol):
    """Takes the artefacts of one model."""

    def stage(self, target: str) -> StagedArtefact:
        """Make a place to write an artefact before it is published."""
        ...

    def publish(
        self,
        staged: StagedArtefact,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence["Answer"],
    ) -> Path:
        """Publish a finished artefact and its manifest, and return where it is."""
        ...


@contextlib.contextmanager
def open_destination(source: Path, options: Options) -> Iterator[Destination]:
    """Open the destination that the options name; its staging folder is removed at the end.

    Raises:
        UsageError: The model's name is not valid in a repository, or an artefact would replace its source.
        EnvironmentLacksError: The destination cannot be written.
    """
    if options.repository:
        name = options.name or source.stem
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", name):
            raise UsageError(
                f"'{name}' is no name for a model in a repository",
                hint="Use letters, digits, '_', '-' and '.'; choose another with --name.",
            )
        with staging(options.repository) as stage:
            yield Repository(source, stage, options, options.repository)
        return
    folder = options.output or source.parent
    for target in options.targets:
        if (folder / get_target(target).artefact_name(source.stem)).resolve() == source.resolve():
            raise UsageError("the artefact would replace its source", where=str(source))
    with staging(folder) as stage:
        yield OutputFolder(folder, stage, source.stem)


@dataclass(frozen=True)
class OutputFolder:
    """A folder of artefacts named after the source, with one manifest for all of them."""

    folder: Path
    staging: Path
    stem: str

    def stage(self, target: str) -> StagedArtefact:
        """A path of the artefact's own name."""
        name = get_target(target).artefact_name(self.stem)
        return StagedArtefact(self.staging / name, self.folder / name)

    def publish(
        self,
        staged: StagedArtefact,
        source: dict[str, Any],
        entry: dict[str, Any],
        answers: Sequence["Answer"],  # noqa: ARG002  golden requests are for repositories
    ) -> Path:
        """Replace the artefact, then the manifest."""
        entries = {staged.place.name: entry}
        path = self.folder / f"{self.stem}.manifest.json"
        written = self.staging / path.name
        written.write_text(manifest_text(path, source, entries), encoding="utf-8")
        sync(staged.path)
        sync(written)
        with moving() as published:
            move(staged.path, staged.place)
            published.append(staged.place)
            move(written, path)
        return staged.place
