"""A cache of trial results, so that several workers try each version once.

One worker runs the trial; its result is sent to the others, and to workers that start later. A result is valid for
certain files and a certain config, which its digest identifies.
"""

from collections.abc import Sequence
from typing import TypeAlias

from serving.errors import ModelLoadError
from serving.repository.loading.candidate import Candidate
from serving.repository.loading.guarded_load import Trial

TrialResult: TypeAlias = tuple[str, str, str, str]
"""A model, a version, the digest of its files and config, and why it cannot be served; empty if it can."""


class TrialResultCache:
    """Runs a trial unless its result is known. Callable from any thread.

    Args:
        trial: The trial.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._known: dict[tuple[str, str], TrialResult] = {}

    def __call__(self, candidate: Candidate) -> None:
        """Try a version, unless the result is known.

        Raises:
            ModelLoadError: It cannot be served.
        """
        name, version, digest = candidate.name, str(candidate.version), candidate.digest
        known = self._known.get((name, version))
        if known is None or known[2] != digest or (candidate.again and known[3]):
            known = self._known[name, version] = (name, version, digest, self._reason(candidate))
        if reason := known[3]:
            raise ModelLoadError(reason)

    def take(self) -> list[TrialResult]:
        """All results that are known."""
        return [*self._known.copy().values()]

    def learn(self, trial_results: Sequence[Sequence[str]]) -> None:
        """Add the results of another process."""
        self._known |= {(name, version): (name, version, *found) for name, version, *found in trial_results}  # type: ignore[misc]  # four each

    def _reason(self, candidate: Candidate) -> str:
        try:
            self._trial(candidate)
        except ModelLoadError as error:
            return str(error)
        return ""
