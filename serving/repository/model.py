"""A loaded version of a model: its runtime, its config and its statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.errors import InvalidInputError
from serving.repository.config import ModelConfig
from serving.repository.loading.batching_permission import ALONE, BatchingPermission
from serving.repository.loading.config_agreement import narrowed
from serving.repository.loading.warmup import Latency
from serving.repository.statistics import Statistics
from serving.runtimes.runtime import DEFAULT_SIGNATURE, Runtime, TensorSpec


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LoadedModel:
    """A loaded version. It compares by identity: the same version, loaded again, is another one.

    Attributes:
        name: The model's name.
        version: The version, as it is in requests and answers.
        runtime: The runtime.
        config: The config, with all values filled in.
        latency: Its latency, measured at warm-up; None if it could not be measured.
        labels: The names of an output's classes, by output.
        batching_permission: Whether requests of several clients may be batched.
        statistics: What it has done since it was loaded.
        signature: The signature that it is called by.
        others: The same version by its other signatures. They share these statistics and run separately.
    """

    name: str
    version: str
    runtime: Runtime
    config: ModelConfig
    latency: Latency | None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    batching_permission: BatchingPermission = ALONE
    statistics: Statistics = field(default_factory=Statistics)
    signature: str = DEFAULT_SIGNATURE
    others: Mapping[str, "LoadedModel"] = field(default_factory=dict)

    @property
    def max_batch_size(self) -> int:
        """Most rows of a batch; 0 if the model has no batch dimension."""
        return self.config.max_batch_size or 0

    @property
    def request_rows(self) -> int:
        """Most rows that one request may have; 0 for any number, or without a batch dimension."""
        return 0 if self.config.derived else self.max_batch_size

    @property
    def run_rows(self) -> int:
        """Most rows of a run that several requests share; 1 if each request runs alone."""
        return self.max_batch_size if self.batching_permission.granted else 1

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of requests: those of the runtime, with the sizes that the config declares."""
        return narrowed(self.runtime.inputs, self.config.inputs, self.max_batch_size)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs of answers, likewise."""
        return narrowed(self.runtime.outputs, self.config.outputs, self.max_batch_size)

    @property
    def signatures(self) -> Mapping[str, "LoadedModel"]:
        """The version by each of its signatures, the default one first."""
        return {self.signature: self, **self.others}

    def called(self, signature: str) -> "LoadedModel":
        """The version by one of its signatures.

        Args:
            signature: The name; empty for ``serving_default``, or for the only signature.

        Raises:
            InvalidInputError: There is no signature of that name.
        """
        name = signature or DEFAULT_SIGNATURE
        if name == self.signature or not (signature or self.others):
            return self
        if name in self.others:
            return self.others[name]
        known = ", ".join(f"'{each}'" for each in self.signatures)
        raise InvalidInputError(
            f"model '{self.name}' has no signature '{name}'; it has {known}: set signature_name to one of these"
        )
