"""A refresh that only tries what it would load: every trial runs, nothing is loaded, nothing is logged.

Of several processes that load the same versions, one does this first; its trial results are valid for all of them.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig
from serving.repository.files.layout import ModelFolder
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.guarded_load import Trial
from serving.repository.model import LoadedModel
from serving.repository.model_state import ModelState
from serving.repository.refresh import Refresh

PASSED = cast("LoadedModel", object())
"""Stands for a version that passed its trial: it counts as loaded, so that older versions are left out."""


class Silent:
    """The observer of a dry run. What is wrong is reported by the load that follows."""

    def failed(self, version: str, reason: str, error: ModelLoadError) -> None:
        """A version cannot be loaded."""

    def not_ready(self, reason: str) -> None:
        """No version can be loaded."""

    def loaded(self, model: LoadedModel, others: Iterable[LoadedModel]) -> None:
        """A version passed its trial."""


def dry_run(
    folder: ModelFolder,
    root: Path,
    before: ModelState,
    read_config: Callable[[], ModelConfig],
    trial: Trial,
    announce: Callable[[str, str], None],
    *,
    retry: bool,
) -> None:
    """Try the versions of one model that a refresh would load.

    Args:
        folder: The model's folder.
        root: The repository.
        before: What is known of the model.
        read_config: Reads the model's config; may raise ModelLoadError.
        trial: The trial; it keeps the results.
        announce: Called with the model's name and the version that is about to be tried.
        retry: Whether to try again what failed before and has not changed.
    """

    def only_try(candidate: Candidate) -> LoadedModel:
        trial(replace(candidate, again=retry))
        return PASSED

    Refresh(folder, root, before, only_try, announce, Silent()).run(read_config, retry=retry)
