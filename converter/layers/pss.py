"""PSS, the parametric sigmoid: sigmoid(alpha * x)."""

from keras import ops
from numpy.typing import ArrayLike

from converter.layers.parameter import Parameter, Value, as_tensor, checked
from converter.layers.parametric import Parametric
from converter.layers.precision import Tensor, in_wide_precision
from converter.layers.registration import registered


@registered
def pss(x: Tensor, alpha: Value = 2.0) -> Tensor:
    """Return ``sigmoid(alpha * x)``.

    16-bit tensors are computed in float32: alpha is not rounded to 16 bits, and the gradient
    ``alpha * y * (1 - y)`` does not lose ``1 - y``.

    Args:
        x: Any shape, any floating dtype.
        alpha: The steepness: a number, or an array or tensor that broadcasts against ``x``.

    Returns:
        Values in [0, 1], in the dtype of ``x``.

    Raises:
        TypeError: alpha is not made of real numbers.
        ValueError: alpha is not finite.
    """
    return in_wide_precision(lambda wide: ops.sigmoid(as_tensor(alpha, "alpha", wide.dtype) * wide), x)


@registered
class PSS(Parametric):
    """The layer ``y = sigmoid(alpha * x)``; shapes, masks and dtypes as `Elementwise` says.

    Per channel: ``PSS(alpha=[1.0, 2.0, 3.0])``, fixed along the last axis;
    ``PSS(trainable_alpha=True, axis=-1)``, one learned alpha per channel.

    Args:
        alpha: A number, or an array of them; where a learned alpha starts.
        trainable_alpha: Learn it: alpha becomes the layer's only weight.
        axis: Along which axis alphas differ; see `Parametric`.
        **kwargs: As of any Keras layer.

    Raises:
        TypeError: alpha is not made of real numbers.
        ValueError: alpha is not finite in the layer's dtype, or does not fit ``axis``.
    """

    alpha: Tensor

    def __init__(
        self,
        alpha: ArrayLike = 2.0,
        *,
        trainable_alpha: bool = False,
        axis: int | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__({"alpha": Parameter(checked(alpha, "alpha"), trainable_alpha)}, axis, **kwargs)

    def activate(self, x: Tensor) -> Tensor:
        """Return ``sigmoid(alpha * x)``."""
        return pss(x, self.aligned(self.alpha, x))
