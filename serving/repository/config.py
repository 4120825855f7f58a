"""What a model's owner may decide about how it is served.

The text form, ``config.pbtxt``, is read elsewhere; here are the decisions themselves, and what follows from the
model where its owner was silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from serving.runtimes.runtime import FREE, Runtime
from serving.runtimes.settings import Settings

DERIVED_BATCH = 64
"""Most rows that requests have together in one run of a model that takes any batch, when its owner did not say."""

QUEUE_SIZE = 1024
"""Most requests that may wait for a model, when its owner did not say."""

QUEUE_SECONDS = 0.6
"""Most seconds that those who wait are expected to need together, likewise: so that nobody waits for a whole one."""


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which of the versions on disk are served. Without numbers, the highest that can be loaded.

    Attributes:
        latest: How many of the highest; None for all.
        specific: These and no others; empty if ``latest`` decides.
    """

    latest: int | None = 1
    specific: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """What happens to a request that waits.

    Attributes:
        size: Most requests that may wait; 0 for any number.
        timeout: Seconds a request may wait; 0 for any time.
        delay: Whether one that waited longer runs after all others, and is not refused.
        override: Whether a request may choose a shorter time for itself.
        seconds: Most seconds that those who wait are expected to need together; 0 for any.
    """

    size: int = QUEUE_SIZE
    timeout: float = 0.0
    delay: bool = False
    override: bool = True
    seconds: float = 0.0


UNSTATED = QueuePolicy(seconds=QUEUE_SECONDS)
"""The policy of a model whose owner states none. An owner who states one bounds the queue by a number."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How requests are put together.

    Attributes:
        preferred: Batch sizes worth waiting for, ascending; empty if only the largest is.
        delay: Seconds the first request of a batch may wait for company; 0 to run whatever is there.
        levels: How many priorities there are, 1 being the most urgent; 0 for no priorities.
        default_level: The priority of a request that states none.
        level_policies: Queue policies of single priorities.
        preserve_ordering: Kept for who asks: answers of a stream are always in order.
    """

    preferred: tuple[int, ...] = ()
    delay: float = 0.0
    levels: int = 0
    default_level: int = 0
    level_policies: Mapping[int, QueuePolicy] = field(default_factory=dict)
    preserve_ordering: bool = False


@dataclass(frozen=True, slots=True)
class TensorConfig:
    """What the owner declares of one input or output.

    Attributes:
        name: Its name.
        datatype: An Open Inference name, such as ``FP32``.
        dims: Its sizes as clients see them, without the batch if ``max_batch_size`` is above 0.
        labels: For an output: the file in the model's folder that names its classes, one a line; or empty.
        reshape: Its sizes as the model sees them, likewise; None if they are the same.
        layout: For an input that is an image: how clients are to lay it out, ``FORMAT_NHWC`` or ``FORMAT_NCHW``; or
            empty.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    labels: str = ""
    reshape: tuple[int, ...] | None = None
    layout: str = ""

    @property
    def model_dims(self) -> tuple[int, ...]:
        """Its sizes as the model sees them."""
        return self.dims if self.reshape is None else self.reshape


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """Some of a model's instances.

    Attributes:
        name: What the owner calls them, if anything.
        kind: Where they run: ``KIND_CPU``, or ``KIND_MODEL`` for where the model wants to, which is there too.
        count: How many there are.
    """

    name: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class WarmupInput:
    """One input of a warm-up request.

    Attributes:
        datatype: An Open Inference name.
        dims: Its sizes without the batch.
        random: Whether it is random and not zero.
    """

    datatype: str
    dims: tuple[int, ...]
    random: bool = False


@dataclass(frozen=True, slots=True)
class WarmupRequest:
    """A request that a model answers before it counts as ready.

    Attributes:
        name: What the owner calls it.
        rows: Its rows.
        inputs: Its inputs by name.
        count: How often it is put.
    """

    name: str
    rows: int
    inputs: Mapping[str, WarmupInput]
    count: int = 1


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How one model is served.

    Attributes:
        max_batch_size: Most rows a run may have; 0 for a model without a batch dimension; None to derive it.
        derived: Whether that was derived; then it bounds no request.
        versions: Which versions are served.
        queue: What happens to requests that wait.
        batching: How requests are put together.
        instances: How many runs of the model may go on at once.
        groups: The instances as the owner wrote them; empty if none are stated.
        inputs: The inputs as declared; empty if the model decides.
        outputs: The outputs, likewise.
        warmup: Requests that the model answers before it is ready.
        name: The model's name, if stated.
        platform: What runs it, if stated, such as ``onnxruntime_onnx``.
        backend: Likewise, such as ``onnxruntime``.
        parameters: Settings by name; those that the runtime has have their effect there.
        graph_level: How far the runtime is to optimise the graph, by Triton's numbers; 0 for its default.
        pinned: Whether inputs, and outputs, are to lie in memory that a GPU can reach, where that is stated: there is
            no GPU, so either is so.
        filename: The model's file or folder in a version's folder; empty for the only one that is there.
    """

    max_batch_size: int | None = None
    derived: bool = False
    versions: VersionPolicy = field(default_factory=VersionPolicy)
    queue: QueuePolicy = UNSTATED
    batching: Batching | None = None
    instances: int = 1
    groups: tuple[InstanceGroup, ...] = ()
    inputs: tuple[TensorConfig, ...] = ()
    outputs: tuple[TensorConfig, ...] = ()
    warmup: tuple[WarmupRequest, ...] = ()
    name: str = ""
    platform: str = ""
    backend: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    graph_level: int = 0
    pinned: Mapping[str, bool] = field(default_factory=dict)
    filename: str = ""

    @property
    def settings(self) -> Settings:
        """What of it concerns the runtime."""
        return Settings(self.parameters, self.graph_level)

    def completed(self, runtime: Runtime) -> "ModelConfig":
        """This config with everything decided that the model itself can tell."""
        if self.max_batch_size is not None:
            return self
        return replace(self, max_batch_size=DERIVED_BATCH if takes_any_batch(runtime) else 0, derived=True)

    def unreshaped(self) -> "ModelConfig":
        """This config with the sizes that the model itself has."""
        inputs, outputs = (
            tuple(replace(each, dims=each.model_dims, reshape=None) for each in side)
            for side in (self.inputs, self.outputs)
        )
        return replace(self, inputs=inputs, outputs=outputs)

    def of_other(self, runtime: Runtime) -> "ModelConfig":
        """This config for another signature of the model: what it declares of tensors is the default one's."""
        size = self.completed(runtime).max_batch_size if takes_any_batch(runtime) else 0
        return replace(self, max_batch_size=size, inputs=(), outputs=(), warmup=())


def takes_any_batch(runtime: Runtime) -> bool:
    """Whether the first dimension of every input and output is free, and so is taken for the batch."""
    return all(spec.shape[:1] == (FREE,) for spec in (*runtime.inputs, *runtime.outputs))
