"""From what is known of a model, and what lies on disk now, to what is known next.

files unchanged            -> as before
new or changed, loads      -> takes the place of what was there
new or changed, fails      -> what was there stays, beside the reason
the owner wants others     -> those that are not wanted go
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from serving.errors import ModelLoadError
from serving.repository import confinement, layout
from serving.repository.candidate import Candidate
from serving.repository.config import ModelConfig
from serving.repository.loading import load
from serving.repository.model import LoadedModel
from serving.repository.opening import Opening
from serving.repository.status import LATEST, ModelState

log = logging.getLogger(__name__)

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
        self._marks: dict[str, layout.Fingerprint] = {}

    def run(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        """Load what is to be loaded.

        Args:
            read_config: What the owner decided; may raise ModelLoadError.
            retry: Whether what failed is tried again although nothing changed.
        """
        beside = [each for each in sorted(self._folder.path.iterdir()) if each.is_file()]
        config_mark = layout.fingerprint(*beside)
        try:
            config = read_config()
        except ModelLoadError as error:
            return self._refused(str(error), config_mark)
        for version in _candidates(config, self._folder):
            if config.versions.latest is not None and len(self._served) >= config.versions.latest:
                break
            self._take(version, config, config_mark, retry=retry)
        return self._state(config)

    def _take(
        self, version: int, config: ModelConfig, config_mark: layout.Fingerprint, *, retry: bool
    ) -> None:
        """Keep a version as it is, or load it."""
        text, before = str(version), self._before
        if version not in self._folder.versions:
            self._failed[text] = MISSING
            return
        try:
            # Before its files are looked at: a link may lead to a whole disk.
            confinement.check_folder(self._folder.versions[version], self._root)
        except ModelLoadError as error:
            self._fail(text, error)
            self._served |= {text: before.served[text]} if text in before.served else {}
            return
        mark = (*config_mark, *self._files(version))
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
            return self._opening(
                candidate,
                partial(load, name, version, folder, self._root, config),
                partial(self._files, version),
            )
        except ModelLoadError as error:
            self._fail(str(version), error)
            return None

    def _files(self, version: int) -> layout.Fingerprint:
        """What changes when the files of a version do."""
        return layout.fingerprint(self._folder.versions[version])

    def _fail(self, version: str, error: ModelLoadError) -> None:
        """Keep the reason, and log it if it is news."""
        if self._before.failed.get(version) != str(error):
            log.error("model '%s' version %s is not ready: %s", self._folder.name, version, error)
            log.debug("because", exc_info=error)
        self._failed[version] = str(error)

    def _state(self, config: ModelConfig) -> ModelState:
        served = dict(self._served)
        if served:
            served[LATEST] = served[max(served, key=int)]
        once = {*self._before.served, *self._before.unloaded} - {LATEST}
        on_disk = {str(version) for version in self._folder.versions}
        unloaded = frozenset((once & on_disk) - served.keys() - self._failed.keys())
        state = ModelState(served, self._failed, unloaded, self._marks, config)
        return self._before if state == self._before else state

    def _refused(self, reason: str, mark: layout.Fingerprint) -> ModelState:
        """What was there stays; the reason stands beside the newest version."""
        newest = str(max(self._folder.versions))
        before = self._before
        if before.failed.get(newest) == reason:
            return before
        log.error("model '%s' is not ready: %s", self._folder.name, reason)
        failed = {**before.failed, newest: reason}
        return ModelState(before.served, failed, before.unloaded - {newest}, {newest: mark}, None)


def _candidates(config: ModelConfig, folder: layout.ModelFolder) -> list[int]:
    """The versions to look at, in the order in which they count."""
    return sorted(config.versions.specific or folder.versions, reverse=True)
