"""Layers that a scale crosses unchanged: f(s x) = s f(x), exactly.

Each check raises Refusal where the algebra does not hold.
"""

from collections.abc import Callable

from converter.folding.linear import Scale
from converter.folding.refusal import Refusal
from converter.graph import Layer


def _always(layer: Layer, scale: Scale) -> None:
    """Linear without a bias, channel by channel: averages, zero padding, cropping, dropout at inference."""


def _positive(layer: Layer, scale: Scale) -> None:
    """max(s x) = s max(x) only for s > 0."""
    if (scale <= 0).any():
        raise Refusal(f"the scale is not positive, and '{layer.name}' takes a maximum")


def _relu(layer: Layer, scale: Scale) -> None:
    """A ReLU without an upper bound or threshold."""
    _positive(layer, scale)
    if layer.config.get("max_value") is not None or layer.config.get("threshold"):
        raise Refusal(f"'{layer.name}' is bounded, which a scale would move")


def _one_number(layer: Layer, scale: Scale) -> None:
    """The last axis is another one afterwards."""
    if scale.ndim:
        raise Refusal(f"the scale differs by channel, and '{layer.name}' rearranges the axes")


def _identity(layer: Layer, scale: Scale) -> None:  # noqa: ARG001  all checks are called alike
    """An activation layer that is linear."""
    if layer.activations or layer.config.get("activation") != "linear":
        raise Refusal(f"the function of '{layer.name}' is not linear")


_CHECKS: dict[Callable[[Layer, Scale], None], str] = {
    _always: """
        Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout
        ActivityRegularization Identity AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D
        UpSampling1D UpSampling2D UpSampling3D RepeatVector""",
    _positive: """
        MaxPooling1D MaxPooling2D MaxPooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D""",
    _relu: "ReLU",
    _one_number: "Flatten Reshape Permute",
    _identity: "Activation",
}

PASSING: dict[str, Callable[[Layer, Scale], None]] = {
    kind: check for check, kinds in _CHECKS.items() for kind in kinds.split()
}
