"""Finds the layer that a TensorFlow operation belongs to."""

import re

import keras


def layer_of(operation: str, model: keras.Model) -> str:
    """Name the layer of an operation, for an error.

    Keras opens a name scope for each layer, to which TensorFlow may add a number.

    Args:
        operation: Name of the operation, such as ``functional_1/attention_1/Qr``.
        model: The model that was traced.

    Returns:
        Such as ``layer 'attention'``; ``operation '...'`` if no layer's name is in it.
    """
    layers = {layer.name for layer in model.layers}
    for scope in reversed(operation.split("/")[:-1]):
        for name in (scope, re.sub(r"_\d+$", "", scope)):
            if name in layers:
                return f"layer {name!r}"
    return f"operation {operation!r}"
