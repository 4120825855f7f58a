"""Model control by clients: lists, loads and unloads models. Loading happens on a thread of its own."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from serving import daemon_threads
from serving.errors import UnsupportedError
from serving.repository.config import ModelConfig
from serving.repository.model_state import VersionStatus
from serving.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Index:
    """The index of the repository.

    Attributes:
        versions: The status of every version that is known.
        absent: Models that were never loaded.
    """

    versions: list[VersionStatus]
    absent: list[str]


class ModelControl:
    """Lists the models; loads and unloads them if the server allows clients to do that.

    Args:
        repository: The models.
        explicit: Whether clients decide which models are loaded.

    Attributes:
        configs: The configs that clients sent in place of the ``config.pbtxt`` of models, as they wrote them.
    """

    def __init__(self, repository: Repository, *, explicit: bool) -> None:
        self._repository = repository
        self._explicit = explicit
        self.configs: dict[str, str] = {}

    async def index(self) -> Index:
        """The index of the repository.

        Raises:
            RepositoryError: The folder is gone.
        """
        absent = await asyncio.wrap_future(daemon_threads.start(self._repository.absent))
        return Index(self._repository.statuses(), absent)

    async def load(self, name: str, config: ModelConfig | None, text: str = "") -> None:
        """Load a model, or load again what has changed of it.

        Args:
            name: Its name.
            config: Replaces its ``config.pbtxt``; None to read that.
            text: The config as the client wrote it.

        Raises:
            UnsupportedError: This server does not allow it.
            ModelNotFoundError: The folder holds no such model.
            ModelLoadError: It cannot be loaded; what was loaded before still answers.
        """
        self._check()
        await asyncio.wrap_future(daemon_threads.start(partial(self._repository.load, name, config)))
        self.configs.pop(name, None)
        if text:
            self.configs[name] = text

    async def unload(self, name: str) -> None:
        """Unload a model.

        Raises:
            UnsupportedError: This server does not allow it.
            ModelNotFoundError: There is no such model.
        """
        self._check()
        await asyncio.wrap_future(daemon_threads.start(partial(self._repository.unload, name)))
        self.configs.pop(name, None)

    async def replace(self, names: Collection[str]) -> None:
        """Serve the named models and no others; nothing is unloaded before all of them are loaded.

        Does nothing if clients do not decide which models are loaded.

        Raises:
            ModelNotFoundError: The folder holds no such model.
            ModelLoadError: One cannot be loaded; what was loaded before still answers.
        """
        if not self._explicit:
            return
        for name in names:
            await self.load(name, None)
        for name in {model.name for model in self._repository.loaded()} - set(names):
            await self.unload(name)

    async def dry_run(self, name: str, config: ModelConfig | None) -> None:
        """Try what :meth:`load` would load, and load nothing. The load then reports what is wrong.

        Raises:
            RepositoryError: The folder is gone.
        """
        if self._explicit:
            await asyncio.wrap_future(daemon_threads.start(partial(self._repository.dry_run, name, config)))

    def _check(self) -> None:
        if not self._explicit:
            raise UnsupportedError(
                "this server decides itself which models are loaded; "
                "start it with --model-control-mode explicit to decide it by requests"
            )
