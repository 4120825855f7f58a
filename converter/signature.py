"""The inputs and outputs of a model: names, shapes and dtypes, in order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: The name that clients use.
        shape: Sizes; ``None`` where the size is free. The first axis is the batch.
        dtype: A numpy name such as ``float32``, or ``bfloat16``, or ``string``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a model, in the order in which the model takes and returns them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
