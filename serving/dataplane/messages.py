"""What goes into the dataplane and what comes out, whatever the transport."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.runtimes.runtime import DEFAULT_SIGNATURE, Array, TensorSpec


@dataclass(slots=True)
class InputTensor:
    """One input as a client sent it, unchecked.

    Attributes:
        name: Which input of the model it claims to be.
        datatype: The datatype it claims.
        shape: The shape it claims.
        values: Its elements, flat, if they came typed; else None.
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
        raw: The wire form of each input, in the order of ``inputs``; None for one that came typed; empty if all
            did.
        outputs: The outputs that are wanted; empty for all.
        deadline: When the client stops waiting, on the clock of :func:`time.monotonic`; None for never.
        priority: How urgent it is, 1 being the most; 0 for the model's default.
        timeout: Seconds it may wait for its turn; 0 for the model's default.
        classes: Outputs of which only the highest values are wanted, and how many of them; none if there are none.
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
        specs: Which outputs these are.
        arrays: Their values.
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
    """What a model takes and returns.

    Attributes:
        name: The model's name.
        versions: The versions that can answer.
        platform: What runs it.
        inputs: What it takes; a free size, the batch among them, is -1.
        outputs: What it returns, likewise.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What the server is.

    Attributes:
        name: The product.
        version: Its version.
        extensions: What it does beyond the protocol's core.
    """

    name: str
    version: str
    extensions: tuple[str, ...] = field(default=())
