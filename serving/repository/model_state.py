"""How the versions of the models stand, as those who ask are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from serving.repository.config import ModelConfig
from serving.repository.files.fingerprint import Fingerprint
from serving.repository.model import LoadedModel

LATEST = ""
"""The version in a request that means the highest version that can answer."""

UNLOADED = "unloaded"
"""The reason of a version that was loaded once and was unloaded."""


class State(Enum):
    """The state of a version, in one word."""

    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"
    LOADING = "LOADING"


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The status of one version of one model.

    Attributes:
        name: The model's name.
        version: The version; empty for a model that has none.
        ready: Whether it can answer.
        reason: Why it cannot answer. If it can: why its newer files were refused, and what its owner must know.
        state: The state in one word.
    """

    name: str
    version: str
    ready: bool
    reason: str
    state: State = State.READY


@dataclass(frozen=True, slots=True)
class ModelState:
    """The state of one model. It is replaced, never changed, because requests read it at any time.

    Attributes:
        served: The versions that can answer, and under ``LATEST`` the highest of them.
        failed: Why others cannot, or why their newer files were refused.
        unloaded: Versions that were unloaded.
        marks: The fingerprint of the files that each version was loaded from, or that were refused.
        config: The config with which it was loaded.
        reason: Why there is no version to load; empty if there is one.
    """

    served: Mapping[str, LoadedModel] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    unloaded: frozenset[str] = frozenset()
    marks: Mapping[str, Fingerprint] = field(default_factory=dict)
    config: ModelConfig | None = None
    reason: str = ""

    @property
    def broken(self) -> bool:
        """Whether it should be able to answer and no version can."""
        return bool(self.failed or self.reason) and not self.served

    def statuses(self, name: str, loading: frozenset[str]) -> list[VersionStatus]:
        """The status of every version, ascending; one status for a model without versions.

        Args:
            name: The model's name.
            loading: The versions that are being loaded right now.
        """
        versions = {*self.served, *self.failed, *self.unloaded, *loading} - {LATEST}
        if not versions:
            reason = self.reason or UNLOADED
            return [VersionStatus(name, "", ready=False, reason=reason, state=State.UNAVAILABLE)]
        return [self._status(name, version, version in loading) for version in sorted(versions, key=int)]

    def _status(self, name: str, version: str, loading: bool) -> VersionStatus:  # noqa: FBT001  one caller, above
        if version in self.served:
            told = self.failed.get(version, self.reason), self.served[version].batching_permission.notice
            return VersionStatus(name, version, ready=True, reason="; ".join(filter(None, told)))
        if loading:
            return VersionStatus(name, version, ready=False, reason="being loaded", state=State.LOADING)
        reason = self.failed.get(version, UNLOADED)
        return VersionStatus(name, version, ready=False, reason=reason, state=State.UNAVAILABLE)
