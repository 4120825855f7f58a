"""Looks up the model and version that answer a request, or says why there is none.

A lookup never touches the disk, so that a name in a request cannot lead to a file.
"""

from collections.abc import Mapping

from serving.errors import InvalidInputError, ModelNotFoundError, ModelNotReadyError
from serving.repository.hot_swap import ModelTable
from serving.repository.loading.loads_in_progress import LoadsInProgress
from serving.repository.model import LoadedModel
from serving.repository.model_state import LATEST, UNLOADED, ModelState, VersionStatus

MEND = "mend its files or publish another version"
"""What helps a model whose version cannot be loaded."""

UNKNOWN = "Request for unknown model"
"""Triton's words, by which its clients tell this error from others."""


class ModelLookup(ModelTable):
    """The models that are known, ready or not. May be called from any thread.

    Attributes:
        loads_in_progress: The versions that are being loaded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loads_in_progress = LoadsInProgress()

    def get(self, name: str, version: str = LATEST) -> LoadedModel:
        """The model that answers a request.

        Raises:
            InvalidInputError: The version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: It cannot answer.
        """
        try:
            return self._served[name][version]
        except KeyError:
            raise self._absence(name, version) from None

    def knows(self, name: str) -> bool:
        """Whether there is a model of that name, ready or not, or one is being loaded."""
        return name in self._models or name in self.loads_in_progress.names()

    def names(self) -> tuple[str, ...]:
        """Every model, ready or not, including those that are being loaded for the first time."""
        return tuple(sorted({*self._models, *self.loads_in_progress.names()}))

    def loaded(self) -> list[LoadedModel]:
        """Every version that can answer, by name and version."""
        return [
            served[version]
            for _, served in sorted(self._served.items())
            for version in sorted(served.keys() - {LATEST}, key=int)
        ]

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model that can answer, ascending."""
        return tuple(sorted(set(self._served.get(name, ())) - {LATEST}, key=int))

    def has_version(self, name: str, version: str) -> bool:
        """Whether a model has a version, ready or not."""
        state = self._models.get(name, ModelState())
        return version in state.served or version in state.failed or version in state.unloaded

    def statuses(self) -> list[VersionStatus]:
        """The status of every version of every model, by name and version."""
        models = self._models
        return [
            status
            for name in self.names()
            for status in models.get(name, ModelState()).statuses(name, self.loads_in_progress.versions(name))
        ]

    def lacking(self) -> list[str]:
        """The required models of which no version can answer yet, or any more.

        A model that was unloaded on request is not lacking.
        """
        models, awaited = self._models, self.loads_in_progress.names()
        return [
            name for name in self.required if (models[name].broken if name in models else name in awaited)
        ]

    def _absence(self, name: str, version: str) -> Exception:
        """The error for a version that cannot answer."""
        if version != LATEST and not (version.isascii() and version.isdigit()):
            return InvalidInputError(
                f"the version of model '{name}' must be a number, or empty for the latest; got '{version}'"
            )
        state = self._models.get(name)
        if state is None:
            return self._unknown(name)
        if version == LATEST:
            return ModelNotReadyError(f"model '{name}' is not ready: {_why_none(state)}")
        if version in state.failed or version in state.unloaded:
            reason = (
                f"{state.failed[version]}; {MEND}"
                if version in state.failed
                else f"{UNLOADED}; load it again"
            )
            return ModelNotReadyError(f"model '{name}' version {version} is not ready: {reason}")
        return ModelNotFoundError(
            f"{UNKNOWN}: model '{name}' has no version {version}; it has: {_list(self.versions(name))}"
        )

    def _unknown(self, name: str) -> Exception:
        if self.knows(name):
            return ModelNotReadyError(f"model '{name}' is not ready: it is being loaded; try again")
        return ModelNotFoundError(f"{UNKNOWN}: there is no model '{name}' here; {known_names(self._models)}")


def known_names(names: Mapping[str, object]) -> str:
    """The end of an error about a model that is not there: the names that are."""
    return f"the names are: {_list(names)}"


def _why_none(state: ModelState) -> str:
    """Why no version of a model can answer."""
    if state.reason:
        return state.reason
    if not state.failed:
        return f"{UNLOADED}; load it again"
    newest = max(state.failed, key=int)
    return f"version {newest}: {state.failed[newest]}; {MEND}"


def _list(names: Mapping[str, object] | tuple[str, ...], most: int = 5) -> str:
    shown = [*names][:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
