"""The versions that are being loaded, in this process or in another worker on behalf of all."""

from threading import Lock


class LoadsInProgress:
    """The versions that are being loaded. The maps are replaced, never changed, because requests read them.

    Attributes:
        here: The version of each model that this process is loading.
        elsewhere: The version of each model that another process is trying for this one.
        steps: The number of steps that all loads have made, which shows whether there is progress.
    """

    def __init__(self) -> None:
        self.here: dict[str, str] = {}
        self.elsewhere: dict[str, str] = {}
        self.steps = 0
        self._lock = Lock()

    def record(self, name: str, version: str | None) -> None:
        """Record which version of a model is being loaded; None when the load has ended."""
        with self._lock:
            others = {each: known for each, known in self.here.items() if each != name}
            self.here = others if version is None else {**others, name: version}
        self.count_step()

    def count_step(self) -> None:
        """Count a step of a load."""
        self.steps += 1

    def names(self) -> set[str]:
        """The models of which a version is being loaded."""
        return {*self.here, *self.elsewhere}

    def versions(self, name: str) -> frozenset[str]:
        """The versions of a model that are being loaded."""
        found = (self.here.get(name), self.elsewhere.get(name))
        return frozenset(version for version in found if version is not None)
