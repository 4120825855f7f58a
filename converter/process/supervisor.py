"""Who oversees the work: hears what is done, and is asked before anything is printed or published.

In the command's own process that is its terminal. In a process of its own it is the parent, which oversees by what
this process tells it, and which may be gone.
"""

import contextlib
from collections.abc import Iterator


class Supervisor:
    """Hears nothing and allows everything."""

    def phase(self, text: str) -> None:
        """What is done now."""

    def printing(self) -> None:
        """Something is about to be printed."""

    def moving(self) -> None:
        """Something is about to be published.

        Raises:
            Ended: It must not be.
        """

    def moved(self, place: str) -> None:
        """It was published here; or nowhere, where this is empty."""

    def waiting(self) -> None:
        """Nothing new; called some times a second."""


_supervisors = [Supervisor()]


def supervisor() -> Supervisor:
    """Who oversees this process now."""
    return _supervisors[-1]


@contextlib.contextmanager
def supervised_by(by: Supervisor) -> Iterator[None]:
    """In this block, somebody else oversees."""
    _supervisors.append(by)
    try:
        yield
    finally:
        _supervisors.pop()
