"""Swaps the versions of a model that answer requests, without a lock for readers.

The state of a model (:class:`~serving.repository.model_state.ModelState`) and the maps that hold it are replaced,
never changed. A request that looks a model up sees the maps either before a swap or after it.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from serving.repository.model import LoadedModel
from serving.repository.model_state import ModelState


class ModelTable:
    """The state of every model by name.

    Attributes:
        required: The models that must be able to answer for the server to be ready.
        retired: Called with the loaded versions that a swap removed.
        changed: Called after every swap.
    """

    def __init__(self) -> None:
        self._models: Mapping[str, ModelState] = {}
        self._served: Mapping[str, Mapping[str, LoadedModel]] = {}
        self._swapping = Lock()
        self.required: frozenset[str] = frozenset()
        self.retired: Callable[[Iterable[LoadedModel]], None] = lambda _models: None
        self.changed: Callable[[], None] = lambda: None

    def _swap(self, name: str, state: ModelState | None) -> None:
        """Replace the state of a model, from any thread.

        Args:
            name: The model.
            state: Its new state; None to remove the model.
        """
        with self._swapping:
            before = self._models.get(name)
            if state is before:
                return
            models = {each: known for each, known in self._models.items() if each != name}
            if state is not None:
                models[name] = state
                if before is not None and before.served and not state.served and state.reason:
                    # The owner removed the model's versions and left its folder.
                    self.required -= {name}
            self._models = dict(sorted(models.items()))
            self._served = {each: known.served for each, known in self._models.items()}
        kept = set(state.served.values()) if state else set()
        gone = set(before.served.values()) - kept if before else set()
        if gone:
            self.retired(gone)
        self.changed()
