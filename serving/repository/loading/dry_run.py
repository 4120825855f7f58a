"""A look at the folder of one model that tries what would be loaded, and loads nothing.

Several processes that load the same versions have one of them do this first: its trial_results are good for all.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig
from serving.repository.files.fingerprint import Fingerprint
from serving.repository.files.layout import ModelFolder
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.guarded_load import Opening, Trial
from serving.repository.model import LoadedModel
from serving.repository.model_state import ModelState
from serving.repository.refresh import Refresh

PASSED = cast("LoadedModel", object())
"""Stands for a version that passed: it counts as one that is served, so that older ones are left out."""


class Rehearsal(Refresh):
    """One rehearsal of a model. What it finds goes to whoever tries; the state that it ends in is nobody's.

    Args:
        folder: What lies there.
        root: The repository.
        before: What is known.
        trial: The trial.
        announce: Told which version is about to be tried.
    """

    def __init__(
        self,
        folder: ModelFolder,
        root: Path,
        before: ModelState,
        trial: Trial,
        announce: Callable[[str, str], None],
    ) -> None:
        super().__init__(folder, root, before, Opening(), announce)
        self._trial = trial
        self._again = False

    def run(self, read_config: Callable[[], ModelConfig], *, retry: bool) -> ModelState:
        """See :meth:`Refresh.run`; nothing is to be learned from what it gives."""
        self._again = retry
        return super().run(read_config, retry=retry)

    def _load(self, version: int, config: ModelConfig) -> LoadedModel | None:
        name, folder = self._folder.name, self._folder.versions[version]
        self._announce(name, str(version))
        try:
            mark = self._marks[str(version)]
            self._trial(Candidate(name, version, folder, self._root, config, mark, self._again))
        except ModelLoadError:
            return None
        return PASSED

    def _fail(self, version: str, error: ModelLoadError) -> None:
        """Told when it is loaded."""

    def _refused(self, _reason: str, _mark: Fingerprint) -> ModelState:
        """Likewise."""
        return self._before

    def _without_version(self, _reason: str, *, keep: bool) -> ModelState:  # noqa: ARG002  likewise
        """Likewise."""
        return self._before
