"""How long to wait before a worker that ended is replaced.

The first time not at all: requests wait for it. One that ends again and again, soon after it started, would keep
the processors busy with nothing but starting.
"""

FIRST = 0.5
"""Seconds after the second end in a row."""

MOST = 30.0
"""Most seconds."""

STEADY = 10.0
"""Seconds after which a worker counts as one that works, and the row is broken."""


class Backoff:
    """The pauses of one worker's place.

    Attributes:
        failures: How many workers in a row ended before they had worked for a while.
    """

    def __init__(self) -> None:
        self.failures = 0

    def pause(self, worked: float) -> float:
        """Seconds to wait after a worker ended: 0, then 0.5, 1, 2, 4 and so on, up to 30.

        Args:
            worked: How many seconds it had served.
        """
        if worked >= STEADY:
            self.failures = 0
        self.failures += 1
        return 0.0 if self.failures == 1 else min(MOST, FIRST * 2.0 ** min(self.failures - 2, 16))
