"""SS, the smooth sigmoid: x / (1 + |x|), also known as softsign."""

from keras import ops

from converter.layers.elementwise import Elementwise
from converter.layers.precision import Tensor, in_wide_precision
from converter.layers.registration import registered


@registered
def ss(x: Tensor) -> Tensor:
    """Return ``x / (1 + |x|)``.

    The formula is the backend's softsign, whose gradient ``1 / (1 + |x|)^2`` is exactly 1 at 0 and loses
    nothing to cancellation on the tails. 16-bit tensors are computed in float32, because that square
    overflows float16 past |x| = 255 and would turn the gradient to 0.

    Args:
        x: Any shape, any floating dtype.

    Returns:
        Values in [-1, 1], in the dtype of ``x``.
    """
    return in_wide_precision(ops.softsign, x)


@registered
class SS(Elementwise):
    """The layer ``y = x / (1 + |x|)``; shapes, masks and dtypes as `Elementwise` says."""

    def activate(self, x: Tensor) -> Tensor:
        """Return ``x / (1 + |x|)``."""
        return ss(x)
