"""Loads a version safely: a trial in another process first, then the load in this process, within a time limit.

The version that is loaded is the version that was tried: its files are compared before and after. A file that does
not behave the same twice can still block a thread for ever; the server then continues without that thread.
"""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Semaphore
from typing import TypeAlias

from serving import daemon_threads
from serving.errors import ModelLoadError
from serving.repository.files import fingerprint
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.load import load
from serving.repository.model import LoadedModel

Trial: TypeAlias = Callable[[Candidate], None]
"""Tries a version in another process; raises ModelLoadError if it cannot be served."""

YOUNG = 5.0
"""Seconds after which the next load may begin although the current one still runs."""

CHANGED = "its files changed while it was being loaded; publish a version whole, by renaming its folder"


class GuardedLoad:
    """Loads candidates, one at a time.

    Args:
        trial: The trial; None to load without one, and without a time limit.
        seconds: Most time for loading a version that passed its trial.
    """

    def __init__(self, trial: Trial | None = None, seconds: float = 0.0) -> None:
        self._trial = trial
        self._seconds = seconds
        self._one_at_a_time = Semaphore()

    def __call__(self, candidate: Candidate) -> LoadedModel:
        """Load a version.

        Raises:
            ModelLoadError: It cannot be served.
        """
        opening = partial(
            load, candidate.name, candidate.version, candidate.folder, candidate.root, candidate.config
        )
        if self._trial is None:
            return opening()
        before = fingerprint.version(candidate.folder, candidate.root)
        self._trial(candidate)
        if fingerprint.version(candidate.folder, candidate.root) == before:
            loaded = self._within_time(opening)
            if fingerprint.version(candidate.folder, candidate.root) == before:
                return loaded
        raise ModelLoadError(CHANGED)

    def _within_time(self, opening: Callable[[], LoadedModel]) -> LoadedModel:
        with self._one_at_a_time:
            future = daemon_threads.start(opening)
            _wait(future, YOUNG)
        if not _wait(future, self._seconds):
            raise ModelLoadError(
                f"its trial went well, but opening it in the server did not end within {self._seconds:g} s; "
                "raise --load-timeout if it needs longer"
            )
        return future.result()


def _wait(future: "Future[LoadedModel]", seconds: float) -> bool:
    """Wait until a future is done; False if the time ran out."""
    try:
        future.exception(seconds)
    except TimeoutError:
        return False
    return True
