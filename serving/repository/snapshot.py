"""What a repository holds, so that another process can come to restore the same.

Which versions answer depends on when the folder was looked at. A process that starts later looks only at the
versions that the others looked at, and can tell whether it found the same files.
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
    """What is held of one model.

    Attributes:
        served: The versions that answer, each with a digest of its files and its config.
        failed: The versions that cannot be loaded, or whose newer files were refused.
        unloaded: The versions that were taken back.
        reason: Why there is no version to look at; else empty.
    """

    served: Mapping[str, str]
    failed: tuple[str, ...] = ()
    unloaded: tuple[str, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, state: ModelState) -> "ModelSnapshot":
        """What is held of a model that stands so."""
        served = {
            version: digest(state.marks.get(version, ()), model.config)
            for version, model in sorted(state.served.items())
            if version != LATEST
        }
        return cls(served, tuple(sorted(state.failed)), tuple(sorted(state.unloaded)), state.reason)

    @property
    def loaded(self) -> bool:
        """Whether anything of it was to answer."""
        return bool(self.served or self.failed)

    def within(self, folder: ModelFolder) -> ModelFolder:
        """The part of a folder that was looked at."""
        wanted = {*self.served, *self.failed}
        versions = {number: path for number, path in folder.versions.items() if str(number) in wanted}
        return replace(folder, versions=versions)


def digest(mark: Sequence[object], config: ModelConfig) -> str:
    """The same for two versions only if their files and their configs are the same."""
    # Sorted: the order in which a config's maps were read is not the same in every process.
    text = json.dumps([mark, asdict(config)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
