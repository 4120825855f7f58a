"""Decides whether requests of several clients may be batched, and what the owner of the model must know about it.

reason for batches                            if the test finds rows that depend on each other
the config says dynamic_batching              -> batched as written, with a warning in log and index
the converter proved that they do not         -> each request runs alone, and the log says why
neither                                       -> each request runs alone; there is no test
"""

from dataclasses import dataclass
from pathlib import Path

from serving.repository.config import ModelConfig
from serving.repository.files.manifest import proves_independent_rows
from serving.repository.loading.golden_request import Golden
from serving.repository.loading.row_independence import coupling
from serving.runtimes.runtime import Runtime

HOW = (
    "requests of several clients run one by one; if its rows do not depend on each other, write "
    "'dynamic_batching { }' in its config.pbtxt, or publish it with 'convert --repository', which proves that"
)
"""How to allow batches, for the log."""


@dataclass(frozen=True, slots=True)
class BatchingPermission:
    """The decision for one version.

    Attributes:
        granted: Whether requests of several clients may be batched.
        notice: What the owner must know, for log and index; empty if there is nothing.
        refuted: Why the converter's proof was rejected, for the log; empty if it was not.
        unproved: Whether batches are possible, but neither the config nor a proof allows them.
    """

    granted: bool
    notice: str = ""
    refuted: str = ""
    unproved: bool = False


ALONE = BatchingPermission(granted=False)


def decide(
    runtime: Runtime, config: ModelConfig, artefact: Path, golden: Golden | None
) -> BatchingPermission:
    """Decide for a version that is being loaded.

    Args:
        runtime: The model.
        config: The config, with all values filled in.
        artefact: The file that was opened, or ``saved_model.pb`` of a SavedModel.
        golden: Its recorded request, if it has one.
    """
    if (config.max_batch_size or 0) <= 1:
        return ALONE
    if config.batching is None and not proves_independent_rows(artefact):
        return BatchingPermission(granted=False, unproved=True)
    found = coupling(runtime, config, golden)
    if not found:
        return BatchingPermission(granted=True)
    if config.batching is None:
        return BatchingPermission(
            granted=False,
            refuted=f"its manifest says that rows do not depend on each other, but {found}; each request runs alone",
        )
    return BatchingPermission(
        granted=True,
        notice=f"its config says dynamic_batching, but {found}: answers depend on what other clients ask at the same "
        "time; take dynamic_batching out of its config",
    )


def as_written(config: ModelConfig) -> BatchingPermission:
    """The permission that the config gives, for a signature that is not run at load."""
    return BatchingPermission(granted=config.batching is not None and (config.max_batch_size or 0) > 1)
