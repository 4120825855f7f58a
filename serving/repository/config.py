"""What a model's owner may decide about how it is served."""

from dataclasses import dataclass, replace

from serving.runtimes.runtime import FREE, Runtime

DERIVED_BATCH = 64
"""The largest batch of a model that takes any, when its owner did not say."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How one model is served.

    Attributes:
        max_batch_size: Most rows a run may have; 0 for a model without a batch dimension; None to derive it.
        queue_size: Most requests that may wait for the model.
        latest_versions: How many of the highest versions are loaded; None for all.
    """

    max_batch_size: int | None = None
    queue_size: int = 1024
    latest_versions: int | None = None

    def completed(self, runtime: Runtime) -> "ModelConfig":
        """This config with everything decided that the model itself can tell."""
        if self.max_batch_size is not None:
            return self
        return replace(self, max_batch_size=DERIVED_BATCH if takes_any_batch(runtime) else 0)


def takes_any_batch(runtime: Runtime) -> bool:
    """Whether the first dimension of every input and output is free, and so is taken for the batch."""
    return all(spec.shape[:1] == (FREE,) for spec in (*runtime.inputs, *runtime.outputs))
