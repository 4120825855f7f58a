"""The models in a folder: loads them, unloads them, and keeps them up to date with their files."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from serving.errors import ModelLoadError, ModelNotFoundError
from serving.repository.config import ModelConfig
from serving.repository.files import layout
from serving.repository.files.generated_config import is_the_converters
from serving.repository.load_log import LoadLog
from serving.repository.loading import parallel_loads
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.dry_run import dry_run
from serving.repository.loading.guarded_load import GuardedLoad, Trial
from serving.repository.model_locks import ModelLocks
from serving.repository.model_lookup import ModelLookup, known_names
from serving.repository.model_state import LATEST, ModelState
from serving.repository.refresh import Refresh
from serving.repository.snapshot import ModelSnapshot

log = logging.getLogger(__name__)


class Repository(ModelLookup):
    """The models in a folder.

    Loading and unloading may be called from any thread: one thread at a time works on a model, and models do not wait
    for each other. A new version can answer before it replaces the old one, and the old one is passed to ``retired``.

    Args:
        root: The folder.
        config: The config of models without one of their own.
        parse: Parses the text of a ``config.pbtxt``.
        trial: Tries a version before it is loaded; None to load without a trial.
        seconds: Most time for loading a version that passed its trial.
    """

    def __init__(
        self,
        root: Path,
        config: ModelConfig | None = None,
        parse: Callable[[str], ModelConfig] | None = None,
        trial: Trial | None = None,
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self._root = root
        self._default_config = config or ModelConfig()
        self._parse = parse or _refuse_config
        self._trial = None if trial is None else partial(self._try, trial)
        self._guarded_load = GuardedLoad(self._trial, seconds)
        self._left_out: set[str] = set()
        self._locks = ModelLocks()

    def load_all(
        self,
        *,
        may_be_empty: bool = False,
        only: Collection[str] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Load the models in the folder. For a version that cannot be loaded, the reason is kept.

        Called again, it loads what is new or has changed and unloads what is gone. Models that another thread is
        loading are left out.

        Args:
            may_be_empty: Whether models may be added later.
            only: The models to look at; None for all.
            seconds: How long to wait while no load makes progress; the rest then continues in the background. None to
                wait for all.

        Raises:
            RepositoryError: The folder is missing, or holds no model although it must.
        """
        folders = self._scan(may_be_empty=may_be_empty)
        self._in_parallel(self._wanted(folders, only), self._refresh, seconds)
        for name in self._models.keys() - folders.keys():
            if (only is None or name in only) and self._locks.try_acquire(name):
                self._swap(name, None)
                self._locks.release(name)

    def dry_run_all(self, only: Collection[str] | None = None, *, seconds: float | None = None) -> None:
        """Try what :meth:`load_all` would load, and load nothing.

        Args:
            only: The models to look at; None for all.
            seconds: See :meth:`load_all`.

        Raises:
            RepositoryError: The folder is gone.
        """
        self._in_parallel(self._wanted(self._scan(), only), self._dry_run, seconds)

    def dry_run(self, name: str, config: ModelConfig | None = None) -> None:
        """Try what :meth:`load` would load, and load nothing. For a model that is missing, :meth:`load` says so.

        Raises:
            RepositoryError: The folder is gone.
        """
        folder = self._scan().get(name)
        if folder is not None:
            with self._locked(name):
                self._dry_run(folder, config, retry=True)

    def load(self, name: str, config: ModelConfig | None = None) -> None:
        """Load a model, or load again those of its versions that have changed or failed.

        Args:
            name: Its name.
            config: Replaces its ``config.pbtxt``; None to read that.

        Raises:
            ModelNotFoundError: The folder holds no such model.
            ModelLoadError: No version, or not the version that was to answer now, could be loaded.
            RepositoryError: The folder is gone.
        """
        folder = self._scan().get(name)
        if folder is None:
            raise ModelNotFoundError(f"failed to load '{name}': the repository holds no such model")
        with self._locked(name):
            self._refresh(folder, config, retry=True)
            state = self._models[name]
        if state.reason:
            raise ModelLoadError(f"failed to load '{name}': {state.reason}")
        if state.failed:
            version, reason = max(state.failed.items(), key=lambda item: int(item[0]))
            raise ModelLoadError(f"failed to load '{name}', version {version}: {reason}")

    def unload(self, name: str) -> None:
        """Unload a model. Requests that were accepted before are answered.

        Raises:
            ModelNotFoundError: There is no such model.
        """
        with self._locks.acquired(name):
            state = self._models.get(name)
            if state is None:
                raise ModelNotFoundError(f"there is no model '{name}' to unload; {known_names(self._models)}")
            versions = frozenset({*state.served, *state.failed, *state.unloaded} - {LATEST})
            self._swap(name, ModelState(unloaded=versions))

    def snapshots(self) -> dict[str, ModelSnapshot]:
        """A snapshot of every model, from which another process can restore the same state."""
        return {name: ModelSnapshot.of(state) for name, state in self._models.items()}

    def restore(self, snapshots: Mapping[str, ModelSnapshot], configs: Mapping[str, ModelConfig]) -> None:
        """Load the models that another process has loaded, and no others.

        What cannot be restored, because files are gone or have changed, is missing in :meth:`snapshots` afterwards.

        Args:
            snapshots: The snapshots of the other process.
            configs: Replace the ``config.pbtxt`` of some models.

        Raises:
            RepositoryError: The folder is gone.
        """
        folders = self._scan()

        def restore(name: str) -> None:
            with self._locked(name):
                before = self._models.get(name)
                self._swap(
                    name, self._restored(snapshots[name], folders.get(name), configs.get(name), before)
                )

        parallel_loads.run([partial(restore, name) for name in snapshots])
        for name in self._models.keys() - snapshots.keys():
            with self._locks.acquired(name):
                self._swap(name, None)

    def absent(self) -> list[str]:
        """The models that are in the folder and were never loaded. Reads the disk.

        Raises:
            RepositoryError: The folder is gone.
        """
        return sorted(self._scan().keys() - {*self.names()})

    def _scan(self, *, may_be_empty: bool = True) -> dict[str, layout.ModelFolder]:
        return layout.scan(self._root, may_be_empty=may_be_empty, left_out=self._leave_out)

    def _leave_out(self, name: str) -> None:
        # Logged once: every poll and some requests scan the folder.
        if name not in self._left_out:
            self._left_out.add(name)
            log.warning("a folder is left out, whose name is not UTF-8: %r; rename it", name)

    def _wanted(
        self, folders: Mapping[str, layout.ModelFolder], only: Collection[str] | None
    ) -> list[layout.ModelFolder]:
        """The folders to look at, without those that another process is trying."""
        return [
            folder
            for name, folder in folders.items()
            if (only is None or name in only) and name not in self.loads_in_progress.elsewhere
        ]

    def _in_parallel(
        self,
        folders: Iterable[layout.ModelFolder],
        work: Callable[[layout.ModelFolder], None],
        seconds: float | None,
    ) -> None:
        """Work on the models that no other thread works on, several at a time."""

        def alone(folder: layout.ModelFolder) -> None:
            try:
                work(folder)
            finally:
                self._load_ended(folder.name)
                self._locks.release(folder.name)

        mine = [folder for folder in folders if self._locks.try_acquire(folder.name)]
        for folder in mine:
            if folder.name not in self._models and folder.versions:
                # A new model is known from now on, although its load may have to wait.
                self.loads_in_progress.record(folder.name, str(max(folder.versions)))
        parallel_loads.run(
            [partial(alone, each) for each in mine], seconds, lambda: self.loads_in_progress.steps
        )

    def _refresh(
        self, folder: layout.ModelFolder, config: ModelConfig | None = None, *, retry: bool = False
    ) -> None:
        before = self._models.get(folder.name, ModelState())
        self._swap(folder.name, self._refreshed(folder, before, config, retry=retry))

    def _refreshed(
        self, folder: layout.ModelFolder, before: ModelState, config: ModelConfig | None, *, retry: bool
    ) -> ModelState:
        refresh = Refresh(
            folder,
            self._root,
            before,
            self._guarded_load,
            self.loads_in_progress.record,
            LoadLog(folder.name),
        )
        return refresh.run(lambda: config or self._read_config(folder), retry=retry)

    def _dry_run(
        self, folder: layout.ModelFolder, config: ModelConfig | None = None, *, retry: bool = False
    ) -> None:
        if self._trial is not None:
            dry_run(
                folder,
                self._root,
                self._models.get(folder.name, ModelState()),
                lambda: config or self._read_config(folder),
                self._trial,
                self.loads_in_progress.record,
                retry=retry,
            )

    def _restored(
        self,
        snapshot: ModelSnapshot,
        folder: layout.ModelFolder | None,
        config: ModelConfig | None,
        before: ModelState | None,
    ) -> ModelState | None:
        """The state that a snapshot describes, as far as the files allow; None if nothing of it is left."""
        if before is not None and ModelSnapshot.of(before) == snapshot:
            return before
        unloaded = frozenset(snapshot.unloaded)
        if not snapshot.loaded:
            return ModelState(unloaded=unloaded, reason=snapshot.reason)
        within = None if folder is None else snapshot.within(folder)
        if within is None or not (within.versions or within.fault):
            return None
        return replace(
            self._refreshed(within, before or ModelState(), config, retry=False), unloaded=unloaded
        )

    def _read_config(self, folder: layout.ModelFolder) -> ModelConfig:
        text = layout.config_text(folder.path, self._root)
        if text is None:
            return self._default_config
        config = self._parse(text)
        # Whether a version may be batched is then decided by its manifest.
        return replace(config, batching=None) if is_the_converters(text) else config

    def _try(self, trial: Trial, candidate: Candidate) -> None:
        trial(candidate)
        self.loads_in_progress.count_step()

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold a model's lock; when it is released, no version of the model is being loaded."""
        with self._locks.acquired(name):
            try:
                yield
            finally:
                self._load_ended(name)

    def _load_ended(self, name: str) -> None:
        self.loads_in_progress.record(name, None)
        if name not in self._models:
            self.changed()


def _refuse_config(_text: str) -> ModelConfig:
    raise ModelLoadError(f"{layout.CONFIG} is not read here")
