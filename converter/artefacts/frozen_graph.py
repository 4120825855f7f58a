"""Freezes a TensorFlow function: variables become constants, and nested functions are inlined."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

_PASSED_ON = frozenset({"Identity", "Cast"})


@dataclass(frozen=True)
class FrozenGraph:
    """A flat graph, with its inputs and outputs.

    Attributes:
        concrete: Concrete function without variables.
        inputs: Placeholder by name.
        outputs: Tensor in the graph by name.
    """

    concrete: Any
    inputs: Mapping[str, tf.Tensor]
    outputs: Mapping[str, tf.Tensor]

    def before_softmax(self) -> dict[str, tf.Tensor]:
        """For each output that a Softmax produces, the input of that Softmax."""
        found = {}
        for name, tensor in self.outputs.items():
            operation = tensor.op
            while operation.type in _PASSED_ON:
                operation = operation.inputs[0].op
            if operation.type == "Softmax":
                found[name] = operation.inputs[0]
        return found

    def run_before_softmax(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, npt.NDArray[Any]]:
        """Compute those tensors with a function that ends there; empty if there is none."""
        names, cut = self._cut
        if not names:
            return {}
        values = cut(*(inputs[name] for name in self.inputs))
        return {name: value.numpy() for name, value in zip(names, values, strict=True)}

    @cached_property
    def _cut(self) -> tuple[list[str], Any]:
        """The outputs that a softmax makes, and the function that ends before it."""
        fetches = self.before_softmax()
        ends = list(fetches.values())
        return list(fetches), self.concrete.prune(list(self.inputs.values()), ends) if ends else None


def freeze(function: Any) -> FrozenGraph:  # noqa: ANN401  TensorFlow has no public name for it
    """Flatten a concrete function that returns a dictionary.

    Args:
        function: From ``tf.saved_model.load(...).signatures`` or ``get_concrete_function``, whose arguments have
            names that TensorFlow keeps. The owner of its variables must be alive: it holds them weakly.

    Returns:
        The flat graph, with inputs and outputs sorted by name.
    """
    # Loops stay While operations: lowered, they would be cycles in the graph.
    concrete = convert_variables_to_constants_v2(function, lower_control_flow=False)
    placeholders = sorted(concrete.inputs, key=lambda tensor: tensor.op.name)
    outputs = dict(zip(sorted(function.structured_outputs), concrete.outputs, strict=True))
    return FrozenGraph(concrete, {tensor.op.name: tensor for tensor in placeholders}, outputs)
