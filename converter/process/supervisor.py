"""The supervisor of the work: it is notified of every phase, and asked before anything is printed or published.

In the process of the command it is the progress line. In a child process it is the channel to the parent, which may
have ended.
"""

import contextlib
from collections.abc import Iterator


class Supervisor:
    """The default: ignores every notice and allows everything."""

    def phase(self, text: str) -> None:
        """A phase of the work begins."""

    def printing(self) -> None:
        """Something is about to be printed; return when it may be."""

    def moving(self) -> None:
        """Something is about to be published; return when it may be.

        Raises:
            Terminated: It may not be published.
        """

    def moved(self, place: str) -> None:
        """It was published at this place; empty if it was not."""

    def waiting(self) -> None:
        """Nothing new happened; called several times a second."""


_supervisors = [Supervisor()]


def supervisor() -> Supervisor:
    """The current supervisor of this process."""
    return _supervisors[-1]


@contextlib.contextmanager
def supervised_by(by: Supervisor) -> Iterator[None]:
    """Use another supervisor in this block."""
    _supervisors.append(by)
    try:
        yield
    finally:
        _supervisors.pop()
