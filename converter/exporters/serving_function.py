"""Wraps a Keras model as one TensorFlow function with named inputs and outputs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from converter.signature import Signature


def serving_function(
    model: keras.Model, signature: Signature, as_arguments: Mapping[str, Any] | None = None
) -> tuple[Any, list[tf.TensorSpec]]:
    """Wrap ``model(inputs, training=False)``.

    Args:
        model: Functional model on flat lists of inputs and outputs.
        signature: Its names, shapes and dtypes, in the model's order.
        as_arguments: Variables whose values become arguments, after the inputs, under these names.

    Returns:
        A ``tf.function`` from positional tensors to a dictionary of outputs, and the specification of each
        argument, under the input's name.

    Raises:
        ValueError: Signature and model differ in the number of outputs.
    """
    as_arguments = as_arguments or {}
    count = len(signature.inputs)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        values = zip(as_arguments.values(), tensors[count:], strict=True)
        with keras.StatelessScope(state_mapping=values):
            outputs = keras.tree.flatten(model(list(tensors[:count]), training=False))
        # Identity makes an output that is also an input, or is listed twice, a tensor of its own.
        return {
            spec.name: tf.identity(output) for spec, output in zip(signature.outputs, outputs, strict=True)
        }

    specs = [tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in signature.inputs]
    specs += [tf.TensorSpec(v.shape, v.dtype, name=name) for name, v in as_arguments.items()]
    return serve, specs


def with_placeholder_names(signature: Signature) -> Signature:
    """Rename everything to ``input_0``, ``output_0`` and so on, which TensorFlow keeps as they are."""
    return Signature(
        tuple(replace(spec, name=f"input_{i}") for i, spec in enumerate(signature.inputs)),
        tuple(replace(spec, name=f"output_{i}") for i, spec in enumerate(signature.outputs)),
    )
