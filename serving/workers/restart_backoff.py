"""Exponential backoff for restarting a worker.

The first restart is immediate, since requests wait for it. A worker that ends again and again soon after its start
would otherwise keep the processors busy with nothing but starting.
"""

FIRST = 0.5
"""Seconds before the second restart in a row."""

MOST = 30.0
"""Most seconds."""

STEADY = 10.0
"""Seconds of serving after which the next restart counts as the first again."""


class Backoff:
    """The backoff of one worker.

    Attributes:
        failures: How many times in a row the worker ended soon after its start.
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
