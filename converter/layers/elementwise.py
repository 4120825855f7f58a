"""Base class of the activation layers: keeps the shape, passes on the mask, returns the compute dtype."""

import keras
from keras import ops

from converter.layers.precision import Tensor


class Elementwise(keras.layers.Layer):
    """Base of the elementwise layers. Subclasses define ``activate``.

    Shapes: ``(batch, ...)`` to the same. Masks pass unchanged. The output has the layer's compute dtype.
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def activate(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``, in the shape and dtype of ``x``."""
        raise NotImplementedError(f"{type(self).__name__} must define activate(x)")

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the activation; integer inputs are cast to the compute dtype first."""
        return self.activate(ops.cast(inputs, self.compute_dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``input_shape``."""
        return tuple(input_shape)
