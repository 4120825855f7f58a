"""The dispatchers of all models: made with a model's first request, closed when the model is retired."""

from collections.abc import Callable, Sequence
from time import monotonic

from serving.repository.model import LoadedModel
from serving.scheduler.dispatcher import Dispatcher
from serving.scheduler.job import Job


class Scheduler:
    """The dispatchers of all models.

    Args:
        deliver: Called with jobs that are done, from other threads.
    """

    def __init__(self, deliver: Callable[[Sequence[Job]], None]) -> None:
        self._deliver = deliver
        self._dispatchers: dict[LoadedModel, Dispatcher] = {}
        self._leaving: list[Dispatcher] = []

    def dispatcher(self, model: LoadedModel) -> Dispatcher:
        """The dispatcher of a model; made with its first request."""
        dispatcher = self._dispatchers.get(model)
        if dispatcher is None:
            dispatcher = self._dispatchers[model] = Dispatcher(model, self._deliver)
        return dispatcher

    def pending(self, model: LoadedModel) -> int:
        """How many jobs wait for a model."""
        dispatcher = self._dispatchers.get(model)
        return dispatcher.pending if dispatcher else 0

    def retire(self, model: LoadedModel) -> None:
        """Run what waits for a model and end its threads; :meth:`sweep` then forgets it."""
        dispatcher = self._dispatchers.pop(model, None)
        if dispatcher is not None:
            dispatcher.close()
            self._leaving.append(dispatcher)

    def sweep(self) -> bool:
        """Forget the retired models whose threads have ended; whether some have not."""
        self._leaving = [dispatcher for dispatcher in self._leaving if not dispatcher.join(0)]
        return bool(self._leaving)

    def close(self, timeout: float) -> bool:
        """Run everything that waits and end the threads.

        Args:
            timeout: Most seconds to wait for that.

        Returns:
            Whether all threads have ended.
        """
        until = monotonic() + timeout
        dispatchers = [*self._dispatchers.values(), *self._leaving]
        for dispatcher in dispatchers:
            dispatcher.close()
        ended = [dispatcher.join(max(0.0, until - monotonic())) for dispatcher in dispatchers]
        return all(ended)
