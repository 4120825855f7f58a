"""Folds a scale into an EinsumDense, whose equation names the axes.

    "abc,cde->abde" with bias axes "de": input axis c is kernel axis 0, output axes d and e are kernel axes
    1 and 2, and both are axes of the bias.

A scale that differs along an axis can be folded if that is an axis of the kernel (and, on the output side, of
the bias).
"""

from dataclasses import dataclass

import numpy as np

from converter.folding.fused_activation import require_crossed
from converter.folding.refusal import Refusal
from converter.folding.scale import Scale, Shape
from converter.folding.scaled_weights import require_weights, scaled
from converter.graph import Layer


@dataclass(frozen=True)
class Equation:
    """The axis letters of the input, kernel and output, in order, without a leading ellipsis."""

    input: str
    kernel: str
    output: str


def read_equation(layer: Layer) -> Equation:
    """The equation of an EinsumDense.

    Raises:
        Refusal: It is not of the form ``in,kernel->out`` with each letter once per term, or has an ellipsis
            elsewhere than in front.
    """
    text = layer.config.get("equation")
    left, arrow, output = str(text).replace(" ", "").partition("->")
    source, comma, kernel = left.partition(",")
    if arrow and comma and source.startswith("...") == output.startswith("..."):
        parts = (source.removeprefix("..."), kernel, output.removeprefix("..."))
        if all(part.isalpha() and len(set(part)) == len(part) for part in parts):
            return Equation(*parts)
    raise Refusal(f"the equation of '{layer.name}' does not say where the scale belongs")


def einsum_output(layer: Layer, scale: Scale, _: Shape | None) -> Layer:
    """Scale kernel and bias: s * (W x + c) = (s W) x + s c."""
    require_crossed(layer, scale)
    bias = layer.config.get("bias_axes") or ""
    require_weights(layer, 2 if bias else 1)
    if not scale.ndim:
        return scaled(layer, dict.fromkeys(layer.weights, scale))
    _require_plain_bias(layer)
    equation = read_equation(layer)
    factors = {"vars/0": _placed(layer, scale, equation.output, equation.kernel)}
    if bias:
        factors["vars/1"] = _placed(layer, scale, equation.output, _bias_axes(equation, str(bias)))
    return scaled(layer, factors)


def einsum_input(layer: Layer, scale: Scale, _: Shape | None) -> Layer:
    """Scale the kernel: W (s x) + c = (W s) x + c."""
    require_weights(layer, 2 if layer.config.get("bias_axes") else 1)
    if not scale.ndim:
        return scaled(layer, {"vars/0": scale})
    equation = read_equation(layer)
    return scaled(layer, {"vars/0": _placed(layer, scale, equation.input, equation.kernel)})


def _require_plain_bias(layer: Layer) -> None:
    """Keras squeezes a bias such as (n, 1), and adds it along the last axis if that has n channels too."""
    bias = layer.weights["vars/1"].shape if "vars/1" in layer.weights else ()
    if len(bias) > 1 and sum(size > 1 for size in bias) == 1:
        raise Refusal(f"the bias of '{layer.name}' may lie along another axis than its equation says")


def _bias_axes(equation: Equation, named: str) -> str:
    """The axes of the bias: the output's from the first named one on; ``.`` is an axis of size 1."""
    axes = "".join(axis if axis in named else "." for axis in equation.output)
    return axes.lstrip(".")


def _placed(layer: Layer, scale: Scale, tensor: str, weight: str) -> Scale:
    """Lay out a scale on a tensor with the axes ``tensor`` for a weight with the axes ``weight``."""
    letters = tensor[-scale.ndim :]
    if len(letters) < scale.ndim:
        raise Refusal(f"the scale differs along an axis that '{layer.name}' does not name")
    kept = [axis for axis, size in zip(letters, scale.shape, strict=True) if size != 1]
    if not set(kept) <= set(weight):
        raise Refusal(f"the scale differs along an axis that the weights of '{layer.name}' do not have")
    sizes = dict(zip(letters, scale.shape, strict=True))
    order = sorted(kept, key=weight.index)
    moved = np.transpose(scale.reshape([sizes[axis] for axis in kept]), [kept.index(axis) for axis in order])
    return moved.reshape([sizes[axis] if axis in kept else 1 for axis in weight])
