"""How many calls there were, and how they ended."""

from collections import Counter


class CallCounts:
    """Counts calls; on one event loop.

    Attributes:
        started: Calls that arrived, by method.
        handled: Calls that ended, by method and by the name of the status code.
        seconds: How long those that ended took together, by method.
    """

    def __init__(self) -> None:
        self.started: Counter[str] = Counter()
        self.handled: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, float] = {}

    def ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call that ended."""
        self.handled[method, code] += 1
        self.seconds[method] = self.seconds.get(method, 0.0) + seconds
