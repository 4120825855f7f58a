"""A version of a model that is loaded and may answer."""

from dataclasses import dataclass

from serving.repository.config import ModelConfig
from serving.repository.warmup import Pace
from serving.runtimes.runtime import Runtime


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A loaded version. It compares by identity: the same version loaded again is another.

    Attributes:
        name: The model's name.
        version: The version, as requests and answers write it.
        runtime: What runs it.
        config: How it is served; nothing in it is undecided.
        pace: How fast it ran when it was warmed up; None if that could not be found out.
    """

    name: str
    version: str
    runtime: Runtime
    config: ModelConfig
    pace: Pace | None

    @property
    def max_batch_size(self) -> int:
        """Most rows a run may have; 0 if the model has no batch dimension."""
        return self.config.max_batch_size or 0
