"""What a version passes through when it is loaded: it is tried elsewhere, then opened here, in bounded time.

What is opened is what was tried. A file that does not behave alike twice can still hold a thread for ever; then the
server goes on without that thread.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Semaphore
from typing import TypeAlias

from serving import daemon_threads
from serving.errors import ModelLoadError
from serving.repository.loading.candidate import Candidate
from serving.repository.model import LoadedModel

Trial: TypeAlias = Callable[[Candidate], None]
"""Tries a version elsewhere; raises ModelLoadError if it cannot be served."""

YOUNG = 5.0
"""Seconds after which an opening lets the next one begin although it goes on."""

CHANGED = "its files changed while it was being loaded; publish a version whole, by renaming its folder"


class Opening:
    """Makes a model of a candidate.

    Args:
        trial: The trial; None to open versions at once, and to wait for them as long as it takes.
        seconds: Most time for opening what a trial could open.
    """

    def __init__(self, trial: Trial | None = None, seconds: float = 0.0) -> None:
        self._trial = trial
        self._seconds = seconds
        self._turn = Semaphore()

    def __call__(
        self, candidate: Candidate, load: Callable[[], LoadedModel], look: Callable[[], object]
    ) -> LoadedModel:
        """Load a version.

        Args:
            candidate: The version.
            load: Opens it in this process.
            look: Looks at its files; what it gives differs when they change.

        Raises:
            ModelLoadError: It cannot be served.
        """
        if self._trial is None:
            return load()
        before = look()
        self._trial(candidate)
        if look() == before:
            loaded = self._opened(load)
            if look() == before:
                return loaded
        raise ModelLoadError(CHANGED)

    def _opened(self, load: Callable[[], LoadedModel]) -> LoadedModel:
        with self._turn:
            opening = daemon_threads.start(load)
            _wait(opening, YOUNG)
        if not _wait(opening, self._seconds):
            raise ModelLoadError(
                f"its trial went well, but opening it in the server did not end within {self._seconds:g} s; "
                "raise --load-timeout if it needs longer"
            )
        return opening.result()


def _wait(future: "Future[LoadedModel]", seconds: float) -> bool:
    """Whether it is done, or will be within a time."""
    try:
        future.exception(seconds)
    except TimeoutError:
        return False
    return True
