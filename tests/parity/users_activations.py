"""The three activations as users write them: classes that nobody registered, and a Lambda around a function.

Nothing here comes from ``converter.layers``; a file saved with these holds names and options, no formula.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


class PSSLayer(keras.layers.Layer):
    def __init__(self, alpha=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        return tf.keras.activations.sigmoid(self.alpha * inputs)

    def get_config(self):
        config = super().get_config()
        config.update({"alpha": self.alpha})
        return config


def smooth_sigmoid(x):
    return x / (1 + tf.abs(x))


class RationalSSLayer(keras.layers.Layer):
    def __init__(self, a=1.0, b=1.0, **kwargs):
        super().__init__(**kwargs)
        self.a = a
        self.b = b

    def call(self, inputs):
        return self.a * inputs / (1 + self.b * tf.abs(inputs))

    def get_config(self):
        config = super().get_config()
        config.update({"a": self.a, "b": self.b})
        return config


@dataclass(frozen=True)
class UsersActivation:
    """How a user writes an activation.

    Attributes:
        layer: Makes it as a layer of a given name.
        argument: Makes it as what ``activation=`` takes.
    """

    layer: Callable[[str], keras.layers.Layer]
    argument: Callable[[], Any]


ACTIVATIONS = {
    "pss": UsersActivation(lambda name: PSSLayer(alpha=1.5, name=name), lambda: PSSLayer(alpha=1.5)),
    "ss": UsersActivation(
        lambda name: keras.layers.Lambda(lambda x: smooth_sigmoid(x), name=name),  # noqa: PLW0108  as users do
        lambda: smooth_sigmoid,
    ),
    "rational_ss": UsersActivation(
        lambda name: RationalSSLayer(a=1.5, b=0.8, name=name), lambda: RationalSSLayer(a=1.5, b=0.8)
    ),
}

CLASSES = {"PSSLayer": PSSLayer, "RationalSSLayer": RationalSSLayer, "smooth_sigmoid": smooth_sigmoid}
"""What Keras needs to copy a layer that holds one of them (``Bidirectional`` copies what it wraps)."""
