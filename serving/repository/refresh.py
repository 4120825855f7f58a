"""Refreshes one model: compares its folder with what is loaded, loads what is new, and returns the new state.

files unchanged            -> the version stays as it is
new or changed, loads      -> the new version replaces the old one
new or changed, fails      -> the old version stays, with the reason beside it
config selects others      -> versions that are no longer selected are removed
folder cannot be read      -> everything stays, with the reason beside it
folder holds no version    -> everything is removed; if a request asked for the load, everything stays
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from serving.errors import ModelLoadError
from serving.printable import printable
from serving.repository.config import ModelConfig
from serving.repository.files import fingerprint, layout
from serving.repository.files.regular_file import fault
from serving.repository.loading.candidate import Candidate
from serving.repository.model import LoadedModel
from serving.repository.model_state import LATEST, ModelState

log = logging.getLogger(__name__)

MISSING = "the config asks for this version, and the repository does not hold it"


class Observer(Protocol):
    """Is told what a refresh finds. A reason that was already known is not repeated."""

    def failed(self, version: str, reason: str, error: ModelLoadError) -> None:
        """A version cannot be loaded."""

    def not_ready(self, reason: str) -> None:
        """No version can be loaded."""

    def loaded(self, model: LoadedModel, others: Iterable[LoadedModel]) -> None:
        """A version was loaded, after others of the same model."""


class Refresh:
    """One refresh of one model.

    Args:
        folder: The model's folder.
        root: The repository.
        before: What is known of the model.
        load: Loads a version; raises ModelLoadError.
        announce: Called with the model's name and the version that is about to be loaded.
        observer: Is told what is found.
    """

    def __init__(
        self,
        folder: layout.ModelFolder,
        root: Path,
        before: ModelState,
        load: Callable[[Candidate], LoadedModel],
        announce: Callable[[str, str], None],
        observer: Observer,
    ) -> None:
        self._folder = folder
        self._root = root
        self._before = before
        self._load = load
        self._announce = announce
        self._observer = observer
        self._served: dict[str, LoadedModel] = {}
        self._failed: dict[str, str] = {}
        self._marks: dict[str, fingerprint.Fingerprint] = {}

    def run(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        """Load what is to be loaded.

        Args:
            read_config: Reads the model's config; may raise ModelLoadError.
            retry: Whether to load again what failed before and has not changed.

        Returns:
            The new state; the old one itself if nothing changed.
        """
        try:
            if self._folder.fault:
                return self._without_version(self._folder.fault, keep=True)
            if not self._folder.versions:
                return self._without_version(self._why_no_version(read_config), keep=retry)
            return self._with_versions(read_config, retry=retry)
        except OSError as error:
            reason = f"its folder {fault(self._folder.path, error)}"
        except Exception as error:
            # Whatever is wrong with this model, the other models must still be refreshed.
            reason = f"this server fails on it: {type(error).__name__}; the log of level debug says where"
            log.debug("because", exc_info=error)
        return self._without_version(reason, keep=True)

    def _with_versions(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        config_mark: fingerprint.Fingerprint = ()
        try:
            config_mark = fingerprint.beside(self._folder.path)
            config = read_config()
        except ModelLoadError as error:
            return self._config_refused(printable(str(error)), config_mark)
        for version in sorted(config.versions.specific or self._folder.versions, reverse=True):
            if config.versions.latest is not None and len(self._served) >= config.versions.latest:
                break
            self._refresh_version(version, config, config_mark, retry=retry)
        return self._state(config)

    def _refresh_version(
        self, version: int, config: ModelConfig, config_mark: fingerprint.Fingerprint, *, retry: bool
    ) -> None:
        """Keep a version as it is, or load it."""
        text, before = str(version), self._before
        if version not in self._folder.versions:
            self._failed[text] = MISSING
            return
        served, failed = before.served.get(text), before.failed.get(text)
        try:
            mark = (*config_mark, *fingerprint.version(self._folder.versions[version], self._root))
        except ModelLoadError as error:
            self._fail(text, error)
        else:
            self._marks[text] = mark
            unchanged = before.marks.get(text) == mark and before.config == config
            if unchanged and failed is not None and not retry:
                self._failed[text] = failed
            elif not unchanged or served is None or failed is not None:
                served = self._loaded(version, config, mark) or served
        if served is not None:
            self._served[text] = served

    def _loaded(self, version: int, config: ModelConfig, mark: fingerprint.Fingerprint) -> LoadedModel | None:
        name = self._folder.name
        self._announce(name, str(version))
        try:
            loaded = self._load(
                Candidate(name, version, self._folder.versions[version], self._root, config, mark)
            )
        except ModelLoadError as error:
            self._fail(str(version), error)
            return None
        self._observer.loaded(loaded, (*self._before.served.values(), *self._served.values()))
        return loaded

    def _fail(self, version: str, error: ModelLoadError) -> None:
        reason = self._failed[version] = printable(str(error))
        if self._before.failed.get(version) != reason:
            self._observer.failed(version, reason, error)

    def _state(self, config: ModelConfig) -> ModelState:
        served = dict(self._served)
        if served:
            served[LATEST] = served[max(served, key=int)]
        once = {*self._before.served, *self._before.unloaded} - {LATEST}
        on_disk = {str(version) for version in self._folder.versions}
        unloaded = frozenset((once & on_disk) - served.keys() - self._failed.keys())
        state = ModelState(served, self._failed, unloaded, self._marks, config)
        return self._before if state == self._before else state

    def _why_no_version(self, read_config: Callable[[], ModelConfig]) -> str:
        """What is wrong with the config if it is wrong, else what the folder holds instead of a version."""
        try:
            read_config()
        except ModelLoadError as error:
            return str(error)
        return layout.without_version(self._folder.path)

    def _without_version(self, reason: str, *, keep: bool) -> ModelState:
        """The state if nothing can be loaded.

        Args:
            reason: Why.
            keep: Whether the versions that are loaded stay.
        """
        reason = printable(reason)
        if self._before.reason != reason:
            self._observer.not_ready(reason)
        state = replace(self._before, reason=reason) if keep else ModelState(reason=reason)
        return self._before if state == self._before else state

    def _config_refused(self, reason: str, mark: fingerprint.Fingerprint) -> ModelState:
        """The state if the config cannot be used: everything stays, with the reason beside the newest version."""
        newest = str(max(self._folder.versions))
        before = self._before
        if before.failed.get(newest) == reason:
            return replace(before, reason="") if before.reason else before
        self._observer.not_ready(reason)
        failed = {**before.failed, newest: reason}
        return ModelState(before.served, failed, before.unloaded - {newest}, {newest: mark}, None)
