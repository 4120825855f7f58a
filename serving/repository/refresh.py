"""From what is known of a model, and what lies on disk now, to what is known next.

files unchanged            -> as before
new or changed, loads      -> takes the place of what was there
new or changed, fails      -> what was there stays, beside the reason
the owner wants others     -> those that are not wanted go
cannot be looked at        -> what was there stays, beside the reason
holds no version           -> what was there goes; when a request asked for a load, it stays
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from serving.errors import ModelLoadError
from serving.printable import printable
from serving.repository.config import ModelConfig
from serving.repository.files import fingerprint, layout
from serving.repository.files.regular_file import fault
from serving.repository.loading.batching_permission import HOW
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.guarded_load import Opening
from serving.repository.loading.load import load
from serving.repository.model import LoadedModel
from serving.repository.model_state import LATEST, ModelState

log = logging.getLogger(__name__)

QUICK = 2e-3
"""Seconds of a run up to which a model loses little without batches, and its owner is not warned.

A busy machine must not make a quick model pass for a slow one, so it is far above what a thread hop costs.
"""

MISSING = "the config asks for this version, and the repository does not hold it"


class Refresh:
    """One look at the folder of one model.

    Args:
        folder: What lies there.
        root: The repository.
        before: What is known.
        opening: What a version passes through when it is loaded.
        announce: Told which version is about to be loaded.
    """

    def __init__(
        self,
        folder: layout.ModelFolder,
        root: Path,
        before: ModelState,
        opening: Opening,
        announce: Callable[[str, str], None],
    ) -> None:
        self._folder = folder
        self._root = root
        self._before = before
        self._opening = opening
        self._announce = announce
        self._served: dict[str, LoadedModel] = {}
        self._failed: dict[str, str] = {}
        self._marks: dict[str, fingerprint.Fingerprint] = {}

    def run(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        """Load what is to be loaded.

        Args:
            read_config: What the owner decided; may raise ModelLoadError.
            retry: Whether what failed is tried again although nothing changed.
        """
        try:
            if self._folder.fault:
                return self._without_version(self._folder.fault, keep=True)
            if not self._folder.versions:
                return self._without_version(self._lack(read_config), keep=retry)
            return self._with_versions(read_config, retry=retry)
        except OSError as error:
            reason = f"its folder {fault(self._folder.path, error)}"
        except Exception as error:
            # Whatever it is, the other models are to be looked at too.
            reason = f"this server fails on it: {type(error).__name__}; the log of level debug says where"
            log.debug("because", exc_info=error)
        return self._without_version(reason, keep=True)

    def _with_versions(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        config_mark: fingerprint.Fingerprint = ()
        try:
            config_mark = fingerprint.beside(self._folder.path)
            config = read_config()
        except ModelLoadError as error:
            return self._refused(printable(str(error)), config_mark)
        for version in _candidates(config, self._folder):
            if config.versions.latest is not None and len(self._served) >= config.versions.latest:
                break
            self._take(version, config, config_mark, retry=retry)
        return self._state(config)

    def _take(
        self, version: int, config: ModelConfig, config_mark: fingerprint.Fingerprint, *, retry: bool
    ) -> None:
        """Keep a version as it is, or load it."""
        text, before = str(version), self._before
        if version not in self._folder.versions:
            self._failed[text] = MISSING
            return
        try:
            mark = (*config_mark, *fingerprint.version(self._folder.versions[version], self._root))
        except ModelLoadError as error:
            self._fail(text, error)
            self._served |= {text: before.served[text]} if text in before.served else {}
            return
        self._marks[text] = mark
        served, failed = before.served.get(text), before.failed.get(text)
        unchanged = before.marks.get(text) == mark and before.config == config
        if unchanged and failed is not None and not retry:
            self._failed[text] = failed
        elif not unchanged or served is None or failed is not None:
            served = self._load(version, config) or served
        if served is not None:
            self._served[text] = served

    def _load(self, version: int, config: ModelConfig) -> LoadedModel | None:
        name, folder = self._folder.name, self._folder.versions[version]
        candidate = Candidate(name, version, folder, self._root, config, self._marks[str(version)])
        self._announce(name, str(version))
        try:
            loaded = self._opening(
                candidate,
                partial(load, name, version, folder, self._root, config),
                partial(fingerprint.version, folder, self._root),
            )
        except ModelLoadError as error:
            self._fail(str(version), error)
            return None
        self._tell(loaded)
        return loaded

    def _tell(self, loaded: LoadedModel) -> None:
        """Log what the owner must know of a version, and once for a model what he may do."""
        joining = loaded.joining
        for told in filter(None, (joining.notice, joining.refuted)):
            log.warning("model '%s' version %s: %s", loaded.name, loaded.version, told)
        others = (*self._before.served.values(), *self._served.values())
        if joining.unproved and not any(each.joining.unproved for each in others):
            slow = loaded.pace is None or loaded.pace.first > QUICK
            log.log(logging.WARNING if slow else logging.INFO, "model '%s': %s", loaded.name, HOW)

    def _fail(self, version: str, error: ModelLoadError) -> None:
        """Keep the reason, and log it if it is news."""
        reason = printable(str(error))
        if self._before.failed.get(version) != reason:
            log.error("model '%s' version %s is not ready: %s", self._folder.name, version, reason)
            log.debug("because", exc_info=error)
        self._failed[version] = reason

    def _state(self, config: ModelConfig) -> ModelState:
        served = dict(self._served)
        if served:
            served[LATEST] = served[max(served, key=int)]
        once = {*self._before.served, *self._before.unloaded} - {LATEST}
        on_disk = {str(version) for version in self._folder.versions}
        unloaded = frozenset((once & on_disk) - served.keys() - self._failed.keys())
        state = ModelState(served, self._failed, unloaded, self._marks, config)
        return self._before if state == self._before else state

    def _lack(self, read_config: Callable[[], ModelConfig]) -> str:
        """Why there is no version: the config may say it."""
        try:
            read_config()
        except ModelLoadError as error:
            return str(error)
        return layout.without_version(self._folder.path)

    def _without_version(self, reason: str, *, keep: bool) -> ModelState:
        """Nothing can be loaded."""
        reason = printable(reason)
        if self._before.reason != reason:
            log.error("model '%s' is not ready: %s", self._folder.name, reason)
        state = replace(self._before, reason=reason) if keep else ModelState(reason=reason)
        return self._before if state == self._before else state

    def _refused(self, reason: str, mark: fingerprint.Fingerprint) -> ModelState:
        """What was there stays; the reason stands beside the newest version."""
        newest = str(max(self._folder.versions))
        before = self._before
        if before.failed.get(newest) == reason:
            return replace(before, reason="") if before.reason else before
        log.error("model '%s' is not ready: %s", self._folder.name, reason)
        failed = {**before.failed, newest: reason}
        return ModelState(before.served, failed, before.unloaded - {newest}, {newest: mark}, None)


def _candidates(config: ModelConfig, folder: layout.ModelFolder) -> list[int]:
    """The versions to look at, in the order in which they count."""
    return sorted(config.versions.specific or folder.versions, reverse=True)
