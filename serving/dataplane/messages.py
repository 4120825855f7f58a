"""The requests and results of the dataplane, independent of the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.runtimes.runtime import DEFAULT_SIGNATURE, Array, TensorSpec


@dataclass(slots=True)
class InputTensor:
    """One input as a client sent it, unchecked.

    Attributes:
        name: The name of an input.
        datatype: The datatype by the client.
        shape: The shape by the client.
        values: The elements, flat, if they were sent typed; else None.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any] | None = None


@dataclass(slots=True)
class InferRequest:
    """A request as a client sent it, unchecked.

    Attributes:
        model: The model's name.
        version: The version; empty for the latest.
        inputs: The inputs, in any order.
        raw: The raw bytes of each input, in the order of ``inputs``; None for an input that was sent typed; empty if
            all were.
        outputs: The outputs that are wanted; empty for all.
        deadline: When the client stops waiting, on the clock of :func:`time.monotonic`; None for never.
        priority: How urgent it is, 1 being the most; 0 for the model's default.
        timeout: Seconds that it may wait in the queue; 0 for the model's default.
        classes: Outputs that are to be classified, with the number of classes; None for none.
        signature: The name of a signature; empty for ``serving_default``, or for the only one. None for the model's
            default one, as for clients that cannot name any.
    """

    model: str
    version: str
    inputs: Sequence[InputTensor]
    raw: Sequence[bytes | memoryview | None] = ()
    outputs: tuple[str, ...] = ()
    deadline: float | None = None
    priority: int = 0
    timeout: float = 0.0
    classes: Mapping[str, int] | None = None
    signature: str | None = None


@dataclass(slots=True)
class InferResult:
    """An answer.

    Attributes:
        model: The model that answered.
        version: Its version.
        specs: The outputs.
        arrays: Their values, in the same order.
        queue_ns: Nanoseconds that the request waited.
        infer_ns: Nanoseconds that the model ran for it.
        signature: The signature that was called.
    """

    model: str
    version: str
    specs: Sequence[TensorSpec]
    arrays: Sequence[Array]
    queue_ns: int = 0
    infer_ns: int = 0
    signature: str = DEFAULT_SIGNATURE


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The inputs and outputs of a model.

    Attributes:
        name: The model's name.
        versions: The versions that can answer.
        platform: Its platform.
        inputs: Its inputs; free sizes, including the batch, are -1.
        outputs: Its outputs, likewise.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The description of the server.

    Attributes:
        name: The product.
        version: Its version.
        extensions: The extensions of the protocol that it has.
    """

    name: str
    version: str
    extensions: tuple[str, ...] = field(default=())
