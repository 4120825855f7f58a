"""RationalSS, the smooth sigmoid with a slope and a bend: a * x / (1 + b * |x|)."""

from collections.abc import Mapping

import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from converter.layers.parameter import Parameter, Value, as_tensor, checked, is_tensor
from converter.layers.parametric import Parametric
from converter.layers.positive import Positive
from converter.layers.precision import Tensor, in_wide_precision
from converter.layers.registration import registered

# Where b * |x| ends: 1 + b * |x| stays finite in float32, and from there on the quotient is a / b.
_SATURATED = 1e30


@registered
def rational_ss(x: Tensor, a: Value = 1.0, b: Value = 1.0) -> Tensor:
    """Return ``a * x / (1 + b * |x|)``.

    Computed as ``a * (c / (1 + b * |c|))`` where c is x clamped to ``+-1e30 / b``. Taken literally, the
    formula gives 0 or NaN once ``b * |x|`` overflows: in float16 past 65504 / b. So 16-bit tensors go through
    float32, where no float16 gets that far, and the clamp, past which the quotient is a / b to the last bit,
    serves float32 and bfloat16. Dividing through by b, ``x / (1 / b + |x|)``, would do as well, but not for
    b = 0 or b = 1e-40.

    The gradients are ``a / (1 + b|x|)^2`` in x (exactly a at 0; its absolute error on the tails is within
    rounding of ``a / (1 + b|x|)``), ``x / (1 + b|x|)`` in a, and ``-a x |x| / (1 + b|x|)^2`` in b.

    Args:
        x: Any shape, any floating dtype.
        a: The slope at 0: a number, or an array or tensor that broadcasts against ``x``.
        b: The bend, likewise; at least 0. With b = 0 the function is ``a * x``.

    Returns:
        Values within ``|a| / b`` of 0, in the dtype of ``x``.

    Raises:
        TypeError: a or b is not made of real numbers.
        ValueError: a or b is not finite, or b is negative (checked for numbers, not for tensors).
    """
    if not is_tensor(b):
        _refuse_pole(checked(b, "b"))

    def formula(wide: Tensor) -> Tensor:
        slope, bend = as_tensor(a, "a", wide.dtype), as_tensor(b, "b", wide.dtype)
        reach = _SATURATED / ops.stop_gradient(bend)  # infinite for b = 0: nothing to clamp
        clamped = ops.maximum(ops.minimum(wide, reach), -reach)
        return slope * (clamped / (1.0 + bend * ops.abs(clamped)))

    return in_wide_precision(formula, x)


@registered
class RationalSS(Parametric):
    """The layer ``y = a * x / (1 + b * |x|)``; shapes, masks and dtypes as `Elementwise` says.

    A learned b is kept at or above 1e-7 by a constraint that the optimizer applies after each step, so a
    saved weight is b itself.

    Args:
        a: A number, or an array of them; where a learned a starts.
        b: Likewise. At least 0 if fixed (0 makes the layer ``a * x``), above 0 if learned.
        trainable_a: Learn a; weights are stored in the order a, b.
        trainable_b: Learn b.
        axis: Along which axis a and b differ; see `Parametric`.
        **kwargs: As of any Keras layer.

    Raises:
        TypeError: a or b is not made of real numbers.
        ValueError: a or b is not finite in the layer's dtype, b is negative, or their shapes do not fit.
    """

    a: Tensor
    b: Tensor

    def __init__(
        self,
        a: ArrayLike = 1.0,
        b: ArrayLike = 1.0,
        *,
        trainable_a: bool = False,
        trainable_b: bool = False,
        axis: int | None = None,
        **kwargs: object,
    ) -> None:
        bend = checked(b, "b")
        _refuse_pole(bend)
        if trainable_b and not (bend > 0).all():
            raise ValueError(f"b must start above 0 to be learned, not {b!r}; b = 0 can only be fixed")
        parameters = {
            "a": Parameter(checked(a, "a"), trainable_a),
            "b": Parameter(bend, trainable_b, Positive()),
        }
        super().__init__(parameters, axis, **kwargs)

    def activate(self, x: Tensor) -> Tensor:
        """Return ``a * x / (1 + b * |x|)``."""
        return rational_ss(x, self.aligned(self.a, x), self.aligned(self.b, x))

    def load_own_variables(self, store: Mapping[str, ArrayLike]) -> None:
        """Load the weights from ``{"0": ..., "1": ...}``, in the order a, b.

        Raises:
            ValueError: The shapes or their number differ, or b is negative.
        """
        super().load_own_variables(store)
        if is_tensor(self.b):
            _refuse_pole(ops.convert_to_numpy(self.b.value))


def _refuse_pole(b: NDArray[np.float64]) -> None:
    lowest = float(b.min())
    if lowest < 0:
        raise ValueError(
            f"b must not be negative, and {lowest:g} is: a * x / (1 + b * |x|) has a pole at "
            f"|x| = 1 / |b| = {1 / -lowest:g}"
        )
