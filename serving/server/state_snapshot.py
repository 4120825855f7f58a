"""The state of a server: the result of all that requests and the owner of its repository did to it.

A process that replaces another is brought to the same state before clients can reach it. A snapshot consists of JSON
values; those of two processes that answer alike are equal.
"""

import logging
from typing import Any, TypeAlias

from serving.dataplane.model_control import ModelControl
from serving.dataplane.shared_memory import SharedMemory
from serving.repository.repository import Repository
from serving.repository.snapshot import ModelSnapshot
from serving.repository.version_labels import VersionLabels
from serving.services.open_inference import config_message

JsonObject: TypeAlias = dict[str, Any]


class ServerState:
    """Takes snapshots of the state of a server, and restores them.

    Args:
        repository: Its models.
        control: What loads them.
        labels: The names of versions.
        memory: The registered shared memory.
        log: The logger above all of the server's.
    """

    def __init__(
        self,
        repository: Repository,
        control: ModelControl,
        labels: VersionLabels,
        memory: SharedMemory,
        log: logging.Logger,
    ) -> None:
        self._repository = repository
        self._control = control
        self._labels = labels
        self._memory = memory
        self._log = log

    def take(self) -> JsonObject:
        """A snapshot of the state now."""
        snapshots = self._repository.snapshots()
        return {
            "models": {
                name: {
                    "served": dict(snapshot.served),
                    "failed": [*snapshot.failed],
                    "unloaded": [*snapshot.unloaded],
                    "reason": snapshot.reason,
                }
                for name, snapshot in snapshots.items()
            },
            "required": sorted(self._repository.required),
            "configs": dict(self._control.configs),
            "labels": {model: dict(chosen) for model, chosen in self._labels.assigned().items()},
            "memory": self._memory.regions(),
            "log_level": self._log.level,
        }

    def restore(self, state: JsonObject) -> None:
        """Take on the state of another process, as far as possible; :meth:`take` shows how far.

        Raises:
            RepositoryError: The repository is gone.
        """
        configs: dict[str, str] = state["configs"]
        snapshots = {
            name: ModelSnapshot(
                each["served"], tuple(each["failed"]), tuple(each["unloaded"]), each["reason"]
            )
            for name, each in state["models"].items()
        }
        parsed = {name: config_message.parse_json(text) for name, text in configs.items()}
        self._repository.required = frozenset(state["required"])
        self._repository.restore(snapshots, parsed)
        self._control.configs = dict(configs)
        self._labels.restore(state["labels"])
        self._memory.restore(state["memory"])
        self._log.setLevel(state["log_level"])
