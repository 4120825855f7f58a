"""The interface of a runtime, which turns named input arrays into named output arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Any tensor; its spec says which datatype it holds."""

FREE = -1
"""A size that each request chooses."""

DEFAULT_SIGNATURE = "serving_default"
"""The signature that TensorFlow Serving's clients mean when they name none; of a model without names the only one."""

PREDICT = "tensorflow/serving/predict"
"""What TensorFlow calls the method of a signature that takes and returns tensors."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: The name clients use.
        datatype: An Open Inference name, such as ``FP32``.
        shape: All sizes, the batch included; ``FREE`` where a request chooses.
        any_rank: Whether a request chooses how many sizes there are as well; ``shape`` is empty then.
        graph_name: The name of the tensor in the model's graph; empty if it is the same.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    any_rank: bool = field(default=False, repr=False)
    graph_name: str = field(default="", compare=False, repr=False)


def default_first(signatures: Iterable[str]) -> list[str]:
    """The names of signatures in their order: ``serving_default``, then the others by name.

    The first is what clients get that cannot name one, as in Triton.
    """
    return sorted(signatures, key=lambda name: (name != DEFAULT_SIGNATURE, name))


class Runtime(Protocol):
    """A loaded model, by one of its signatures. ``infer`` may be called from any thread, and from several at once."""

    @property
    def platform(self) -> str:
        """The name that model metadata reports, such as ``onnxruntime_onnx``."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs of the model, in order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs of the model, in order."""

    @property
    def steady(self) -> bool:
        """Whether the time of a run depends on the sizes of its inputs alone, not on their values."""

    @property
    def takes_empty(self) -> bool:
        """Whether a free size may be 0; False if the library could crash on it."""

    @property
    def signature(self) -> str:
        """The name of the signature, such as ``serving_default``."""

    @property
    def method(self) -> str:
        """What TensorFlow calls the signature's method, such as ``tensorflow/serving/predict``."""

    @property
    def others(self) -> Sequence["Runtime"]:
        """The same model by its other signatures, by name; of a model that has none, empty."""

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
