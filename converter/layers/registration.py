"""Registers the activations with Keras as ``plainserve>NAME``."""

from typing import TypeVar

import keras

PACKAGE = "plainserve"

T = TypeVar("T")


def registered(thing: T) -> T:
    """Register a layer class or an activation function for saving and loading.

    Keras has a decorator for this; it is untyped and would hide the signature of what it decorates.

    Args:
        thing: A layer class with ``get_config``, or a function.

    Returns:
        The same object.
    """
    keras.saving.register_keras_serializable(package=PACKAGE)(thing)
    return thing
