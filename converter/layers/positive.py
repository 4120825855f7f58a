"""A constraint that keeps a weight above 0."""

import keras
from keras import ops

from converter.layers.precision import Tensor


class Positive(keras.constraints.Constraint):
    """Raises values below ``keras.config.epsilon()`` (1e-7) to it.

    A layer that uses it creates it itself, so it is never saved and not registered.
    """

    def __call__(self, w: Tensor) -> Tensor:
        """Return ``max(w, epsilon)``, in the shape and dtype of ``w``."""
        return ops.maximum(w, ops.cast(keras.config.epsilon(), w.dtype))
