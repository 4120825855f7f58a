"""Snapshots of models, from which another process can restore the same state.

Which versions are loaded depends on when the folder was scanned. A process that starts later loads only the versions
in the snapshots of the others, and compares digests to tell whether it found the same files.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from serving.repository.config import ModelConfig
from serving.repository.files.layout import ModelFolder
from serving.repository.model_state import LATEST, ModelState


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """A snapshot of one model.

    Attributes:
        served: The versions that can answer, each with a digest of its files and its config.
        failed: The versions that cannot be loaded, or whose newer files were refused.
        unloaded: The versions that were unloaded.
        reason: Why there is no version to load; empty if there is one.
    """

    served: Mapping[str, str]
    failed: tuple[str, ...] = ()
    unloaded: tuple[str, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, state: ModelState) -> "ModelSnapshot":
        """The snapshot of a state."""
        served = {
            version: digest(state.marks.get(version, ()), model.config)
            for version, model in sorted(state.served.items())
            if version != LATEST
        }
        return cls(served, tuple(sorted(state.failed)), tuple(sorted(state.unloaded)), state.reason)

    @property
    def loaded(self) -> bool:
        """Whether any version was loaded, or was to be."""
        return bool(self.served or self.failed)

    def within(self, folder: ModelFolder) -> ModelFolder:
        """A model's folder without the versions that are not in the snapshot."""
        wanted = {*self.served, *self.failed}
        versions = {number: path for number, path in folder.versions.items() if str(number) in wanted}
        return replace(folder, versions=versions)


def digest(mark: Sequence[object], config: ModelConfig) -> str:
    """A digest of the files and the config of a version."""
    # Sorted, because the order of a config's maps differs between processes.
    text = json.dumps([mark, asdict(config)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
