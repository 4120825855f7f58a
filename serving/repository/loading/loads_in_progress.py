"""Which versions are being loaded, here or elsewhere for all processes that serve together."""

from threading import Lock


class LoadsInProgress:
    """The versions that are being loaded. Replaced, never changed: requests look at it meanwhile.

    Attributes:
        here: The version of each model that this process loads.
        elsewhere: The same of another process, which tries them for this one.
        steps: How often one of them got on.
    """

    def __init__(self) -> None:
        self.here: dict[str, str] = {}
        self.elsewhere: dict[str, str] = {}
        self.steps = 0
        self._lock = Lock()

    def record(self, name: str, version: str | None) -> None:
        """Note which version of a model is being loaded; None for none any more."""
        with self._lock:
            others = {each: known for each, known in self.here.items() if each != name}
            self.here = others if version is None else {**others, name: version}
        self.count_step()

    def count_step(self) -> None:
        """Note that one of them is further than before."""
        self.steps += 1

    def names(self) -> set[str]:
        """The models of which a version is being loaded."""
        return {*self.here, *self.elsewhere}

    def versions(self, name: str) -> frozenset[str]:
        """The versions of a model that are being loaded."""
        found = (self.here.get(name), self.elsewhere.get(name))
        return frozenset(version for version in found if version is not None)
