"""Which models there are, and which version of each answers."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from serving.errors import InvalidInputError, ModelLoadError, ModelNotFoundError, ModelNotReadyError
from serving.repository import layout
from serving.repository.config import ModelConfig
from serving.repository.holding import Holding
from serving.repository.model import LoadedModel
from serving.repository.refresh import Refresh
from serving.repository.status import LATEST, UNLOADED, ModelState, VersionStatus

__all__ = ["LATEST", "Repository", "VersionStatus"]

log = logging.getLogger(__name__)

MEND = "mend its files or publish another version"
"""What helps a model whose version cannot be loaded."""


class Repository:
    """The models in a folder. Looking one up never touches the disk, so a name cannot lead anywhere.

    Loading and unloading may be called from any thread, one at a time runs, and the rest may be called meanwhile.
    What replaces a version answers before it does so, and the version it replaces is told to ``retired``.

    Args:
        root: The folder.
        config: How models without a config of their own are served.
        parse: Reads the text of a ``config.pbtxt``.

    Attributes:
        required: The models that must answer for the server to be ready.
    """

    def __init__(
        self,
        root: Path,
        config: ModelConfig | None = None,
        parse: Callable[[str], ModelConfig] | None = None,
    ) -> None:
        self._root = root
        self._default = config or ModelConfig()
        self._parse = parse or _refuse
        self._models: Mapping[str, ModelState] = {}
        self._served: Mapping[str, Mapping[str, LoadedModel]] = {}
        self._loading: frozenset[tuple[str, str]] = frozenset()
        self._left_out: set[str] = set()
        self._changing = Lock()
        self.required: frozenset[str] = frozenset()
        self.retired: Callable[[Iterable[LoadedModel]], None] = lambda _models: None
        self.changed: Callable[[], None] = lambda: None

    def load_all(self, *, may_be_empty: bool = False) -> None:
        """Load what lies in the folder; a version that cannot be loaded is kept, with the reason.

        Called again, it loads what is new or has changed and unloads what is gone.

        Raises:
            RepositoryError: The folder is missing, or holds no model although it must.
        """
        with self._changing:
            folders = self._scan(may_be_empty=may_be_empty)
            for folder in folders.values():
                self._refresh(folder)
            for name in self._models.keys() - folders.keys():
                self._put(name, None)

    def load(self, name: str, config: ModelConfig | None = None) -> None:
        """Load a model, or load again what has changed of it or failed.

        Args:
            name: Its name.
            config: What takes the place of its ``config.pbtxt``; None to read that.

        Raises:
            ModelNotFoundError: The folder holds no such model.
            ModelLoadError: No version, or not the one that was to answer now, could be loaded.
            RepositoryError: The folder is gone.
        """
        with self._changing:
            folder = self._scan().get(name)
            if folder is None:
                raise ModelNotFoundError(f"failed to load '{name}': the repository holds no such model")
            self._refresh(folder, config, retry=True)
            state = self._models[name]
        if state.reason:
            raise ModelLoadError(f"failed to load '{name}': {state.reason}")
        if state.failed:
            version, reason = max(state.failed.items(), key=lambda item: int(item[0]))
            raise ModelLoadError(f"failed to load '{name}', version {version}: {reason}")

    def unload(self, name: str) -> None:
        """Take a model back. Requests that it has begun are answered.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        with self._changing:
            state = self._models.get(name)
            if state is None:
                raise ModelNotFoundError(f"there is no model '{name}' to unload; {_has(self._models)}")
            versions = frozenset({*state.served, *state.failed, *state.unloaded} - {LATEST})
            self._put(name, ModelState(unloaded=versions))

    def holdings(self) -> dict[str, Holding]:
        """What is held of each model, so that another process can come to hold the same."""
        return {name: Holding.of(state) for name, state in self._models.items()}

    def hold(self, holdings: Mapping[str, Holding], configs: Mapping[str, ModelConfig]) -> None:
        """Come to hold what another process holds, and no more.

        What cannot be had, because files are gone or have changed, :meth:`holdings` shows afterwards.

        Args:
            holdings: What the other holds.
            configs: What takes the place of the ``config.pbtxt`` of some models.

        Raises:
            RepositoryError: The folder is gone.
        """
        with self._changing:
            folders = self._scan()
            for name, holding in holdings.items():
                self._put(
                    name, self._held(holding, folders.get(name), configs.get(name), self._models.get(name))
                )
            for name in self._models.keys() - holdings.keys():
                self._put(name, None)

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

    def names(self) -> tuple[str, ...]:
        """Every model, ready or not."""
        return tuple(self._models)

    def loaded(self) -> list[LoadedModel]:
        """Every version that can answer, by name and version."""
        return [
            served[version]
            for _, served in sorted(self._served.items())
            for version in sorted(served.keys() - {LATEST}, key=int)
        ]

    def statuses(self) -> list[VersionStatus]:
        """How every version of every model stands, by name and version."""
        loading, models = self._loading, self._models
        names = sorted({*models, *(name for name, _ in loading)})
        return [
            status
            for name in names
            for status in models.get(name, ModelState()).statuses(
                name, frozenset(version for each, version in loading if each == name)
            )
        ]

    def lacking(self) -> list[str]:
        """The required models of which no version can answer. What was taken back since is not lacking."""
        models = self._models
        return [name for name in self.required if name in models and models[name].broken]

    def absent(self) -> list[str]:
        """The models that lie in the folder and were never loaded. Reads the disk.

        Raises:
            RepositoryError: The folder is gone.
        """
        return sorted(self._scan().keys() - self._models.keys())

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model that can answer, ascending."""
        return tuple(sorted(set(self._served.get(name, ())) - {LATEST}, key=int))

    def _scan(self, *, may_be_empty: bool = True) -> dict[str, layout.ModelFolder]:
        return layout.scan(self._root, may_be_empty=may_be_empty, left_out=self._leave_out)

    def _leave_out(self, name: str) -> None:
        # Once: the folder is looked at by every poll and by requests.
        if name not in self._left_out:
            self._left_out.add(name)
            log.warning("a folder is left out, whose name is not UTF-8: %r; rename it", name)

    def _refresh(
        self, folder: layout.ModelFolder, config: ModelConfig | None = None, *, retry: bool = False
    ) -> None:
        before = self._models.get(folder.name, ModelState())
        self._put(folder.name, self._look(folder, before, config, retry=retry))

    def _look(
        self, folder: layout.ModelFolder, before: ModelState, config: ModelConfig | None, *, retry: bool
    ) -> ModelState:
        refresh = Refresh(folder, self._root, before, announce=self._announce)
        return refresh.run(lambda: config or self._read_config(folder), retry=retry)

    def _held(
        self,
        holding: Holding,
        folder: layout.ModelFolder | None,
        config: ModelConfig | None,
        before: ModelState | None,
    ) -> ModelState | None:
        """A model as another process holds it; None if nothing of it is left."""
        if before is not None and Holding.of(before) == holding:
            return before
        unloaded = frozenset(holding.unloaded)
        if not holding.loaded:
            return ModelState(unloaded=unloaded, reason=holding.reason)
        within = None if folder is None else holding.within(folder)
        if within is None or not (within.versions or within.fault):
            return None
        return replace(self._look(within, before or ModelState(), config, retry=False), unloaded=unloaded)

    def _read_config(self, folder: layout.ModelFolder) -> ModelConfig:
        text = layout.config_text(folder.path, self._root)
        return self._default if text is None else self._parse(text)

    def _announce(self, name: str, version: str | None) -> None:
        self._loading = frozenset() if version is None else frozenset({(name, version)})

    def _put(self, name: str, state: ModelState | None) -> None:
        """Let a model answer as it now stands; None for one that is gone."""
        before = self._models.get(name)
        if state is before:
            return
        models = {each: known for each, known in self._models.items() if each != name}
        if state is not None:
            models[name] = state
            if before is not None and before.served and not state.served and state.reason:
                # Its owner took its versions away, and not the folder.
                self.required -= {name}
        self._models = dict(sorted(models.items()))
        self._served = {each: known.served for each, known in self._models.items()}
        kept = set(state.served.values()) if state else set()
        gone = set(before.served.values()) - kept if before else set()
        if gone:
            self.retired(gone)
        self.changed()

    def _absence(self, name: str, version: str) -> Exception:
        state = self._models.get(name)
        if state is None:
            return ModelNotFoundError(f"there is no model '{name}' here; {_has(self._models)}")
        if version == LATEST:
            return ModelNotReadyError(f"model '{name}' is not ready: {_why_none(state)}")
        if version in state.failed or version in state.unloaded:
            reason = (
                f"{state.failed[version]}; {MEND}"
                if version in state.failed
                else f"{UNLOADED}; load it again"
            )
            return ModelNotReadyError(f"model '{name}' version {version} is not ready: {reason}")
        if not (version.isascii() and version.isdigit()):
            return InvalidInputError(
                f"the version of model '{name}' must be a number, or empty for the latest; got '{version}'"
            )
        return ModelNotFoundError(
            f"model '{name}' has no version {version}; it has: {_list(self.versions(name))}"
        )


def _why_none(state: ModelState) -> str:
    """Why no version of a model can answer."""
    if state.reason:
        return state.reason
    if not state.failed:
        return f"{UNLOADED}; load it again"
    newest = max(state.failed, key=int)
    return f"version {newest}: {state.failed[newest]}; {MEND}"


def _refuse(_text: str) -> ModelConfig:
    raise ModelLoadError(f"{layout.CONFIG} is not read here")


def _has(names: Mapping[str, object]) -> str:
    return f"the names are: {_list(names)}"


def _list(names: Mapping[str, object] | tuple[str, ...], most: int = 5) -> str:
    shown = [*names][:most]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"
