"""A lock for each model: one thread at a time loads or unloads a model, and models do not wait for each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ModelLocks:
    """The locks of all models, by name."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._changed = Condition()

    def try_acquire(self, name: str) -> bool:
        """Take the lock of a model; False if another thread holds it."""
        with self._changed:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def release(self, name: str) -> None:
        """Release the lock of a model, from any thread."""
        with self._changed:
            self._busy.discard(name)
            self._changed.notify_all()

    @contextmanager
    def acquired(self, name: str) -> Iterator[None]:
        """Hold the lock of a model, waiting for it if necessary."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._busy)
            self._busy.add(name)
        try:
            yield
        finally:
            self.release(name)
