"""Which models there are, and which version of each answers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.errors import InvalidInputError, ModelLoadError, ModelNotFoundError, ModelNotReadyError
from serving.repository import layout
from serving.repository.config import ModelConfig
from serving.repository.loading import load
from serving.repository.model import LoadedModel

log = logging.getLogger(__name__)

LATEST = ""
"""What a request writes for the highest version that can answer."""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """How one version of one model stands.

    Attributes:
        name: The model's name.
        version: The version.
        ready: Whether it can answer.
        reason: Why it cannot; empty if it can.
    """

    name: str
    version: str
    ready: bool
    reason: str


class Repository:
    """The models in a folder. Looking one up never touches the disk, so a name cannot lead anywhere.

    Args:
        root: The folder.
        config: How models are served.
    """

    def __init__(self, root: Path, config: ModelConfig | None = None) -> None:
        self._root = root
        self._config = config or ModelConfig()
        # Replaced, never changed: requests look things up while versions come and go.
        self._serving: Mapping[str, Mapping[str, LoadedModel]] = {}
        self._failed: Mapping[str, Mapping[str, str]] = {}

    def load_all(self) -> None:
        """Load what lies in the folder; a version that cannot be loaded is kept, with the reason.

        Raises:
            RepositoryError: The folder is missing or holds no model.
        """
        for folder in layout.scan(self._root).values():
            self._load_model(folder)

    def get(self, name: str, version: str = LATEST) -> LoadedModel:
        """The model that answers a request.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: It cannot answer.
        """
        try:
            return self._serving[name][version]
        except KeyError:
            raise self._absence(name, version) from None

    def names(self) -> tuple[str, ...]:
        """Every model, ready or not."""
        return tuple(self._serving)

    def statuses(self) -> list[VersionStatus]:
        """How every version of every model stands, by name and version."""
        return [
            VersionStatus(name, version, version in served, self._failed[name].get(version, ""))
            for name, served in self._serving.items()
            for version in sorted({*served, *self._failed[name]} - {LATEST}, key=int)
        ]

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model that can answer, ascending."""
        return tuple(sorted(set(self._serving.get(name, ())) - {LATEST}, key=int))

    def _load_model(self, folder: layout.ModelFolder) -> None:
        served: dict[str, LoadedModel] = {}
        failed: dict[str, str] = {}
        wanted = sorted(folder.versions)[-(self._config.latest_versions or 0) :]
        for version in wanted:
            try:
                model = load(folder.name, version, folder.versions[version], self._root, self._config)
            except ModelLoadError as error:
                failed[str(version)] = str(error)
                log.error("model '%s' version %s is not ready: %s", folder.name, version, error)  # noqa: TRY400  the text is the reason
            else:
                served[str(version)] = served[LATEST] = model
        self._failed = {**self._failed, folder.name: failed}
        self._serving = {**self._serving, folder.name: served}

    def _absence(self, name: str, version: str) -> Exception:
        if name not in self._serving:
            return ModelNotFoundError(
                f"there is no model '{name}' here; the names are: {_list(self._serving)}"
            )
        failed = self._failed[name]
        if version == LATEST:
            newest = max(failed, key=int)
            return ModelNotReadyError(f"model '{name}' is not ready: version {newest}: {failed[newest]}")
        if version in failed:
            return ModelNotReadyError(f"model '{name}' version {version} is not ready: {failed[version]}")
        if not (version.isascii() and version.isdigit()):
            return InvalidInputError(
                f"the version of model '{name}' must be a number, or empty for the latest; got '{version}'"
            )
        return ModelNotFoundError(
            f"model '{name}' has no version {version}; it has: {_list(self.versions(name))}"
        )


def _list(names: Mapping[str, object] | tuple[str, ...], most: int = 5) -> str:
    shown = [*names][:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
