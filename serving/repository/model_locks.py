"""Who works on which model: one at a time on each, and models do not wait for each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ModelLocks:
    """The models that somebody works on."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._changed = Condition()

    def try_acquire(self, name: str) -> bool:
        """Begin to work on a model unless somebody else does; whether one may."""
        with self._changed:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def release(self, name: str) -> None:
        """Let others work on it, from any thread."""
        with self._changed:
            self._busy.discard(name)
            self._changed.notify_all()

    @contextmanager
    def acquired(self, name: str) -> Iterator[None]:
        """Wait until nobody works on a model, and then do it oneself."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._busy)
            self._busy.add(name)
        try:
            yield
        finally:
            self.release(name)
