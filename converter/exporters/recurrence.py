"""One call of a recurrent layer: its inputs and outputs, and one step of it as a function."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import tree

Tensor = Any


@dataclass(frozen=True)
class Recurrence:
    """A recurrent layer over the steps of its sequences. Time is axis 0 and runs forward.

    Attributes:
        name: Unique in the model.
        layer: The layer, whose cell makes a step.
        x: One step of the sequences, (batch, ...).
        masked: Whether a mask says which steps count: the others change no state, and their output is that of the
            step before, or zeros with ``zero_output_for_mask``.
        states: The states of the cell, nested as it takes them.
        output: One step of the output.
        from_zero: Whether the initial states are zeros.
    """

    name: str
    layer: keras.layers.RNN
    x: tf.TensorSpec
    masked: bool
    states: Any
    output: tf.TensorSpec
    from_zero: bool

    @property
    def state_names(self) -> list[str]:
        """A name for each state."""
        return [f"state_{number}" for number in range(len(tree.flatten(self.states)))]

    @property
    def carries_output(self) -> bool:
        """Whether a masked step repeats the output of the step before."""
        return self.masked and not self.layer.zero_output_for_mask

    @property
    def input_roles(self) -> list[str]:
        """The roles of its inputs: the initial states, the initial output, the sequences ``x`` and their ``mask``."""
        output = ["last"] if self.carries_output else []
        return [*self.state_names, *output, "x", *(["mask"] if self.masked else [])]

    @property
    def output_specs(self) -> dict[str, tf.TensorSpec]:
        """The roles of its outputs: ``outputs`` of all steps, the final states, the ``last`` output if carried."""
        outputs = tf.TensorSpec([None, *self.output.shape], self.output.dtype)
        states = zip(self.state_names, tree.flatten(self.states), strict=True)
        return {"outputs": outputs, **dict(states)} | ({"last": self.output} if self.carries_output else {})

    def output_name(self, role: str) -> str:
        """Name of one of its outputs in the graph from which it was extracted."""
        return f"{self.name}_gives_{role}"

    def input_name(self, role: str) -> str:
        """Name of one of its inputs in the graph from which it was extracted."""
        return f"{self.name}_reads_{role}"

    def step(self) -> tuple[Any, list[tf.TensorSpec]]:
        """One step of it: ``last, states' = cell(x, states)``.

        Returns:
            A ``tf.function`` from the states and x to a dictionary of the new states and ``last``, the output; and
            the specification of its arguments, ``before_<state>`` and ``x``.
        """
        names = self.state_names

        @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
        def step(*tensors: Tensor) -> dict[str, Tensor]:
            *before, x = tensors
            with tf.name_scope(self.layer.name):
                output, after = cell_step(self.layer, x, tree.pack_sequence_as(self.states, before))
            results = {"last": output, **dict(zip(names, after, strict=True))}
            return {name: tf.identity(result) for name, result in results.items()}

        before = zip(names, tree.flatten(self.states), strict=True)
        specs = [tf.TensorSpec(spec.shape, spec.dtype, f"before_{name}") for name, spec in before]
        return step, [*specs, tf.TensorSpec(self.x.shape, self.x.dtype, "x")]


def cell_step(layer: keras.layers.RNN, x: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:  # noqa: ANN401  nested
    """The output of a layer's cell, and the states after it, flat."""
    training = {"training": False} if layer.cell._call_has_training_arg else {}  # noqa: SLF001  as Keras's own loop
    output, after = layer.cell(x, states, **training)
    return output, tree.flatten(after)
