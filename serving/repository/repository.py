"""Which models there are, and which version of each answers."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

from serving import daemon_threads
from serving.errors import InvalidInputError, ModelLoadError, ModelNotFoundError, ModelNotReadyError
from serving.repository.config import ModelConfig
from serving.repository.files import layout
from serving.repository.files.generated_config import is_the_converters
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.dry_run import Rehearsal
from serving.repository.loading.guarded_load import Opening, Trial
from serving.repository.loading.loads_in_progress import LoadsInProgress
from serving.repository.model import LoadedModel
from serving.repository.model_locks import ModelLocks
from serving.repository.model_state import LATEST, UNLOADED, ModelState, VersionStatus
from serving.repository.refresh import Refresh
from serving.repository.snapshot import ModelSnapshot

__all__ = ["LATEST", "Repository", "VersionStatus"]

log = logging.getLogger(__name__)

MEND = "mend its files or publish another version"
"""What helps a model whose version cannot be loaded."""

UNKNOWN = "Request for unknown model"
"""Triton's words, by which its clients know this error among others."""

SIDE_BY_SIDE = 16
"""Most models that one look at the folder loads at a time; what they try and open has bounds of its own."""


class Repository:
    """The models in a folder. Looking one up never touches the disk, so a name cannot lead anywhere.

    Loading and unloading may be called from any thread; one at a time works on a model, others do not wait for it,
    and the rest may be called meanwhile. What replaces a version answers before it does so, and the version it
    replaces is told to ``retired``.

    Args:
        root: The folder.
        config: How models without a config of their own are served.
        parse: Reads the text of a ``config.pbtxt``.
        trial: Tries a version before it is opened; None to open it at once.
        seconds: Most time for opening what was tried.

    Attributes:
        required: The models that must answer for the server to be ready.
        loads_in_progress: The versions that are being loaded.
    """

    def __init__(
        self,
        root: Path,
        config: ModelConfig | None = None,
        parse: Callable[[str], ModelConfig] | None = None,
        trial: Trial | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._root = root
        self._default = config or ModelConfig()
        self._parse = parse or _refuse
        self._trial = trial
        self._opening = Opening(trial and self._try, seconds)
        self._models: Mapping[str, ModelState] = {}
        self._served: Mapping[str, Mapping[str, LoadedModel]] = {}
        self._left_out: set[str] = set()
        self._locks = ModelLocks()
        self._changing = Lock()
        self.loads_in_progress = LoadsInProgress()
        self.required: frozenset[str] = frozenset()
        self.retired: Callable[[Iterable[LoadedModel]], None] = lambda _models: None
        self.changed: Callable[[], None] = lambda: None

    def load_all(
        self,
        *,
        may_be_empty: bool = False,
        only: Collection[str] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Load what lies in the folder; a version that cannot be loaded is kept, with the reason.

        Called again, it loads what is new or has changed and unloads what is gone. Models that are being loaded
        already are left alone.

        Args:
            may_be_empty: Whether models may come later.
            only: The models to look at; None for all.
            seconds: How long to wait while nothing gets on; the rest goes on by itself. None for as long as it takes.

        Raises:
            RepositoryError: The folder is missing, or holds no model although it must.
        """
        folders = self._scan(may_be_empty=may_be_empty)
        self._side_by_side(self._wanted(folders, only), self._refresh, seconds)
        for name in self._models.keys() - folders.keys():
            if (only is None or name in only) and self._locks.try_acquire(name):
                self._put(name, None)
                self._locks.release(name)

    def rehearse_all(self, only: Collection[str] | None = None, *, seconds: float | None = None) -> None:
        """Try what :meth:`load_all` would load, and load nothing.

        Args:
            only: The models to look at; None for all.
            seconds: See :meth:`load_all`.

        Raises:
            RepositoryError: The folder is gone.
        """
        self._side_by_side(self._wanted(self._scan(), only), self._rehearse, seconds)

    def rehearse(self, name: str, config: ModelConfig | None = None) -> None:
        """Try what :meth:`load` would load, and load nothing. What is not there is for that to tell.

        Raises:
            RepositoryError: The folder is gone.
        """
        folder = self._scan().get(name)
        if folder is not None:
            with self._working_on(name):
                self._rehearse(folder, config, retry=True)

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
        folder = self._scan().get(name)
        if folder is None:
            raise ModelNotFoundError(f"failed to load '{name}': the repository holds no such model")
        with self._working_on(name):
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
        with self._locks.acquired(name):
            state = self._models.get(name)
            if state is None:
                raise ModelNotFoundError(f"there is no model '{name}' to unload; {_has(self._models)}")
            versions = frozenset({*state.served, *state.failed, *state.unloaded} - {LATEST})
            self._put(name, ModelState(unloaded=versions))

    def snapshots(self) -> dict[str, ModelSnapshot]:
        """What is held of each model, so that another process can come to restore the same."""
        return {name: ModelSnapshot.of(state) for name, state in self._models.items()}

    def restore(self, snapshots: Mapping[str, ModelSnapshot], configs: Mapping[str, ModelConfig]) -> None:
        """Come to restore what another process holds, and no more.

        What cannot be had, because files are gone or have changed, :meth:`snapshots` shows afterwards.

        Args:
            snapshots: What the other holds.
            configs: What takes the place of the ``config.pbtxt`` of some models.

        Raises:
            RepositoryError: The folder is gone.
        """
        folders = self._scan()

        def restore(name: str) -> None:
            with self._working_on(name):
                before = self._models.get(name)
                self._put(name, self._restored(snapshots[name], folders.get(name), configs.get(name), before))

        _finish(daemon_threads.start_all([partial(restore, name) for name in snapshots], SIDE_BY_SIDE))
        for name in self._models.keys() - snapshots.keys():
            with self._locks.acquired(name):
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

    def knows(self, name: str) -> bool:
        """Whether there is a model of that name, ready or not, or one is being loaded."""
        return name in self._models or name in self.loads_in_progress.names()

    def names(self) -> tuple[str, ...]:
        """Every model, ready or not, being loaded for the first time included."""
        return tuple(sorted({*self._models, *self.loads_in_progress.names()}))

    def loaded(self) -> list[LoadedModel]:
        """Every version that can answer, by name and version."""
        return [
            served[version]
            for _, served in sorted(self._served.items())
            for version in sorted(served.keys() - {LATEST}, key=int)
        ]

    def statuses(self) -> list[VersionStatus]:
        """How every version of every model stands, by name and version."""
        models = self._models
        return [
            status
            for name in self.names()
            for status in models.get(name, ModelState()).statuses(name, self.loads_in_progress.versions(name))
        ]

    def lacking(self) -> list[str]:
        """The required models of which no version can answer, or can yet. What was taken back is not lacking."""
        models, awaited = self._models, self.loads_in_progress.names()
        return [
            name for name in self.required if (models[name].broken if name in models else name in awaited)
        ]

    def absent(self) -> list[str]:
        """The models that lie in the folder and were never loaded. Reads the disk.

        Raises:
            RepositoryError: The folder is gone.
        """
        return sorted(self._scan().keys() - {*self.names()})

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model that can answer, ascending."""
        return tuple(sorted(set(self._served.get(name, ())) - {LATEST}, key=int))

    def has_version(self, name: str, version: str) -> bool:
        """Whether a model has a version, however that stands."""
        state = self._models.get(name, ModelState())
        return version in state.served or version in state.failed or version in state.unloaded

    def _scan(self, *, may_be_empty: bool = True) -> dict[str, layout.ModelFolder]:
        return layout.scan(self._root, may_be_empty=may_be_empty, left_out=self._leave_out)

    def _leave_out(self, name: str) -> None:
        # Once: the folder is looked at by every poll and by requests.
        if name not in self._left_out:
            self._left_out.add(name)
            log.warning("a folder is left out, whose name is not UTF-8: %r; rename it", name)

    def _wanted(
        self, folders: Mapping[str, layout.ModelFolder], only: Collection[str] | None
    ) -> list[layout.ModelFolder]:
        """The folders to look at; what another process tries for this one is looked at when that is over."""
        return [
            folder
            for name, folder in folders.items()
            if (only is None or name in only) and name not in self.loads_in_progress.elsewhere
        ]

    def _side_by_side(
        self,
        folders: Iterable[layout.ModelFolder],
        work: Callable[[layout.ModelFolder], None],
        seconds: float | None,
    ) -> None:
        """Work on models that nobody works on, several at a time."""

        def alone(folder: layout.ModelFolder) -> None:
            try:
                work(folder)
            finally:
                self._over(folder.name)
                self._locks.release(folder.name)

        mine = [folder for folder in folders if self._locks.try_acquire(folder.name)]
        for folder in mine:
            if folder.name not in self._models and folder.versions:
                # Until its turn comes, it is to be known as one that comes.
                self.loads_in_progress.record(folder.name, str(max(folder.versions)))
        loads = daemon_threads.start_all([partial(alone, each) for each in mine], SIDE_BY_SIDE)
        _finish(loads, seconds, lambda: self.loads_in_progress.steps)

    def _refresh(
        self, folder: layout.ModelFolder, config: ModelConfig | None = None, *, retry: bool = False
    ) -> None:
        before = self._models.get(folder.name, ModelState())
        self._put(folder.name, self._look(folder, before, config, retry=retry))

    def _rehearse(
        self, folder: layout.ModelFolder, config: ModelConfig | None = None, *, retry: bool = False
    ) -> None:
        if self._trial is not None:
            before = self._models.get(folder.name, ModelState())
            rehearsal = Rehearsal(folder, self._root, before, self._try, self.loads_in_progress.record)
            rehearsal.run(lambda: config or self._read_config(folder), retry=retry)

    def _look(
        self, folder: layout.ModelFolder, before: ModelState, config: ModelConfig | None, *, retry: bool
    ) -> ModelState:
        refresh = Refresh(folder, self._root, before, self._opening, self.loads_in_progress.record)
        return refresh.run(lambda: config or self._read_config(folder), retry=retry)

    def _restored(
        self,
        snapshot: ModelSnapshot,
        folder: layout.ModelFolder | None,
        config: ModelConfig | None,
        before: ModelState | None,
    ) -> ModelState | None:
        """A model as another process holds it; None if nothing of it is left."""
        if before is not None and ModelSnapshot.of(before) == snapshot:
            return before
        unloaded = frozenset(snapshot.unloaded)
        if not snapshot.loaded:
            return ModelState(unloaded=unloaded, reason=snapshot.reason)
        within = None if folder is None else snapshot.within(folder)
        if within is None or not (within.versions or within.fault):
            return None
        return replace(self._look(within, before or ModelState(), config, retry=False), unloaded=unloaded)

    def _read_config(self, folder: layout.ModelFolder) -> ModelConfig:
        text = layout.config_text(folder.path, self._root)
        if text is None:
            return self._default
        config = self._parse(text)
        # That requests may be joined is then said of one version, by its manifest.
        return replace(config, batching=None) if is_the_converters(text) else config

    def _try(self, candidate: Candidate) -> None:
        assert self._trial is not None  # noqa: S101  who calls this has looked
        self._trial(candidate)
        self.loads_in_progress.count_step()

    @contextmanager
    def _working_on(self, name: str) -> Iterator[None]:
        """Wait for a model's turn; after it no version of the model is being loaded."""
        with self._locks.acquired(name):
            try:
                yield
            finally:
                self._over(name)

    def _over(self, name: str) -> None:
        """No version of a model is being loaded any more."""
        self.loads_in_progress.record(name, None)
        if name not in self._models:
            self.changed()

    def _put(self, name: str, state: ModelState | None) -> None:
        """Let a model answer as it now stands; None for one that is gone."""
        with self._changing:
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
        return ModelNotFoundError(f"{UNKNOWN}: there is no model '{name}' here; {_has(self._models)}")


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


def _finish(
    loads: "Iterable[Future[None]]", seconds: float | None = None, steps: Callable[[], int] = lambda: 0
) -> None:
    """Wait for loads until none of them gets on. What was not foreseen and goes wrong is raised."""
    pending = {*loads}
    while pending:
        before = steps()
        done, pending = wait(pending, seconds, FIRST_COMPLETED)
        for each in done:
            each.result()
        if not done and steps() == before:
            for each in pending:
                each.add_done_callback(_tell)
            return


def _tell(load: "Future[None]") -> None:
    """Log what goes wrong with a load for which nobody waits any more."""
    if error := load.exception():
        log.error("loading a model failed", exc_info=error)
