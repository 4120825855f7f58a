"""Counts calls by method: how many started, and how they ended."""

from collections.abc import Iterator


class MethodCalls:
    """Counts the calls of one method; on one event loop.

    Attributes:
        started: Calls that arrived.
        codes: Calls that ended, by the name of their status code.
        seconds: The total duration of the calls that ended.
    """

    __slots__ = ("codes", "seconds", "started")

    def __init__(self) -> None:
        self.started = 0
        self.codes: dict[str, int] = {}
        self.seconds = 0.0

    def end(self, code: str, seconds: float, count: int = 1) -> None:
        """Count calls that ended, each after so many seconds."""
        self.codes[code] = self.codes.get(code, 0) + count
        self.seconds += seconds * count


class CallCounts:
    """The calls of all methods, by the full name of the method: ``/service/method``."""

    def __init__(self) -> None:
        self._methods: dict[str, MethodCalls] = {}

    def of(self, method: str) -> MethodCalls:
        """The counts of one method."""
        return self._methods.setdefault(method, MethodCalls())

    def called(self) -> Iterator[tuple[str, MethodCalls]]:
        """Each method that was ever called, by name."""
        return (each for each in sorted(self._methods.items()) if each[1].started)
