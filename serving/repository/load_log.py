"""What the log says about the models that are loaded and those that cannot be."""

import logging
from collections.abc import Iterable

from serving.errors import ModelLoadError
from serving.repository.loading.batching_permission import HOW
from serving.repository.model import LoadedModel

log = logging.getLogger(__name__)

QUICK = 2e-3
"""Seconds of a run up to which a model loses little without batches, so that its owner is not warned.

The value is far above the cost of a thread hop, since a busy machine must not make a quick model look slow.
"""


class LoadLog:
    """The log of one model.

    Args:
        name: The model's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def failed(self, version: str, reason: str, error: ModelLoadError) -> None:
        """Log that a version cannot be loaded."""
        log.error("model '%s' version %s is not ready: %s", self._name, version, reason)
        log.debug("because", exc_info=error)

    def not_ready(self, reason: str) -> None:
        """Log that no version can be loaded."""
        log.error("model '%s' is not ready: %s", self._name, reason)

    def loaded(self, model: LoadedModel, others: Iterable[LoadedModel]) -> None:
        """Log what the owner must know about a loaded version, and how to allow batches, once for each model.

        Args:
            model: The version.
            others: The versions that were loaded before it.
        """
        permission = model.batching_permission
        for told in filter(None, (permission.notice, permission.refuted)):
            log.warning("model '%s' version %s: %s", self._name, model.version, told)
        if permission.unproved and not any(each.batching_permission.unproved for each in others):
            slow = model.latency is None or model.latency.first > QUICK
            log.log(logging.WARNING if slow else logging.INFO, "model '%s': %s", self._name, HOW)
