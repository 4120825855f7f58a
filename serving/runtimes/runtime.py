"""What a runtime is: something that turns named arrays into named arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Any tensor; its spec says which datatype it holds."""

FREE = -1
"""A size that each request chooses."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: The name clients use.
        datatype: An Open Inference name, such as ``FP32``.
        shape: All sizes, the batch included; ``FREE`` where a request chooses.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


class Runtime(Protocol):
    """A loaded model. ``infer`` may be called from any thread, and from several at once."""

    @property
    def platform(self) -> str:
        """The name that model metadata reports, such as ``onnxruntime_onnx``."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What the model takes, in order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What the model returns, in order."""

    @property
    def steady(self) -> bool:
        """Whether the time of a run depends on the sizes of its inputs alone, not on their values."""

    @property
    def takes_empty(self) -> bool:
        """Whether a free size may be 0. No library may be asked for what ends the process."""

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once.

        Args:
            inputs: An array for every input, of the spec's datatype and shape (checked by the caller).
            outputs: The names of the outputs that are wanted.

        Returns:
            An array for each wanted output, in that order.

        Raises:
            InvalidInputError: The model cannot take these values, and the caller could have known.
            Exception: Whatever the library raises.
        """
