"""The config of a model: how its owner wants it to be served, with defaults for what the owner does not state.

The text form, ``config.pbtxt``, is parsed in :mod:`serving.services.open_inference.config_message`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from serving.runtimes.runtime import FREE, Runtime
from serving.runtimes.settings import Settings

DERIVED_BATCH = 64
"""Default of the largest batch, in rows, of a model that takes any batch."""

QUEUE_SIZE = 1024
"""Default of the most requests that may wait for a model."""

QUEUE_SECONDS = 0.6
"""Default of the most seconds that the waiting requests may be expected to take, so that none waits for a second."""


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which of the versions on disk are served; by default the highest that can be loaded.

    Attributes:
        latest: Serve this many of the highest versions; None for all.
        specific: Serve these versions and no others; empty to use ``latest``.
    """

    latest: int | None = 1
    specific: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The limits of a queue.

    Attributes:
        size: Most requests that may wait; 0 for any number.
        timeout: Seconds a request may wait; 0 for any time.
        delay: Whether a request that waited longer runs after all others instead of being refused.
        override: Whether a request may set a shorter timeout for itself.
        seconds: Most seconds that the waiting requests may be expected to take; 0 for any time.
    """

    size: int = QUEUE_SIZE
    timeout: float = 0.0
    delay: bool = False
    override: bool = True
    seconds: float = 0.0


UNSTATED = QueuePolicy(seconds=QUEUE_SECONDS)
"""The policy of a model whose config has none. A policy in a config limits the number of requests, not seconds."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How requests are batched.

    Attributes:
        preferred: Batch sizes worth waiting for, ascending; empty if only the largest is.
        delay: Seconds that the first request of a batch may wait for others; 0 to run what is there.
        levels: The number of priorities, 1 being the most urgent; 0 for no priorities.
        default_level: The priority of a request that states none.
        level_policies: The queue policies of single priorities.
        preserve_ordering: Reported only, without effect: answers of a stream are always in order.
    """

    preferred: tuple[int, ...] = ()
    delay: float = 0.0
    levels: int = 0
    default_level: int = 0
    level_policies: Mapping[int, QueuePolicy] = field(default_factory=dict)
    preserve_ordering: bool = False


@dataclass(frozen=True, slots=True)
class TensorConfig:
    """One input or output as the config declares it.

    Attributes:
        name: Its name.
        datatype: An Open Inference name, such as ``FP32``.
        dims: Its sizes as clients see them, without the batch if ``max_batch_size`` is above 0.
        labels: For an output: the file in the model's folder that names its classes, one a line; or empty.
        reshape: Its sizes as the model sees them, likewise; None if they are the same.
        layout: The layout of an input that is an image, ``FORMAT_NHWC`` or ``FORMAT_NCHW``; or empty.
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
    """A group of a model's instances.

    Attributes:
        name: The name of the group, if it has one.
        kind: Where they run: ``KIND_CPU``, or ``KIND_MODEL`` for the choice of the model, which is the CPU too.
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
        random: Whether its values are random, not zero.
    """

    datatype: str
    dims: tuple[int, ...]
    random: bool = False


@dataclass(frozen=True, slots=True)
class WarmupRequest:
    """A request that is sent to a model before it counts as ready.

    Attributes:
        name: Its name in the config.
        rows: Its rows.
        inputs: Its inputs by name.
        count: How often it is sent.
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
        derived: Whether that was derived; if so, it does not limit the rows of a request.
        versions: Which versions are served.
        queue: The limits of the queue.
        batching: How requests are batched; None if the config does not say.
        instances: How many runs of the model may happen at once.
        groups: The instance groups as the config declares them; empty if it declares none.
        inputs: The inputs as declared; empty to use those of the model.
        outputs: The outputs, likewise.
        warmup: Requests that the model answers before it is ready.
        name: The model's name, if stated.
        platform: The platform, if stated, such as ``onnxruntime_onnx``.
        backend: The backend, if stated, such as ``onnxruntime``.
        parameters: Settings by name; those that the runtime knows take effect there.
        graph_level: How far the runtime optimises the graph, by Triton's numbers; 0 for its default.
        pinned: Whether inputs and outputs are to be in memory that a GPU can reach, where that is stated. Without
            effect, since there is no GPU.
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
        """The part of the config that the runtime needs."""
        return Settings(self.parameters, self.graph_level)

    def completed(self, runtime: Runtime) -> "ModelConfig":
        """This config with the values that follow from the model filled in."""
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
        """This config for another signature: without the tensors, which it declares for the default signature."""
        size = self.completed(runtime).max_batch_size if takes_any_batch(runtime) else 0
        return replace(self, max_batch_size=size, inputs=(), outputs=(), warmup=())


def takes_any_batch(runtime: Runtime) -> bool:
    """Whether the first dimension of every input and output is free, which makes it the batch dimension."""
    return all(spec.shape[:1] == (FREE,) for spec in (*runtime.inputs, *runtime.outputs))
