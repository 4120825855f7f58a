"""Activation layers with parameters: fixed or learned, one for all or one per channel."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from converter.layers.elementwise import Elementwise
from converter.layers.parameter import Parameter, as_config, checked
from converter.layers.precision import Tensor


class Parametric(Elementwise):
    """Base of the layers whose formula has parameters.

    Each parameter ``p`` becomes the attribute ``p`` (a float64 array if fixed, a weight if learned) and the
    config entries ``p`` and ``trainable_p``. Weights are created in the order of ``parameters``; their shape
    is that of the value given, or ``(channels,)`` for a number that is learned along ``axis``. A weight holds
    the value that the formula uses, at full precision also under a mixed policy.

    Args:
        parameters: By name, in the order of the weights.
        axis: None: values broadcast against the inputs from the right, so that a vector lies along the last
            axis. An integer: the axis along which vectors lie, and along which a learned number gets an entry
            for each index (-1 for channels last, 1 for channels first).
        **kwargs: As of any Keras layer.

    Raises:
        TypeError: ``axis`` is no integer.
        ValueError: ``axis`` is the batch, or the shapes of the values do not fit each other or ``axis``, or a
            learned value is beyond the range of the variable dtype.
    """

    def __init__(
        self, parameters: Mapping[str, Parameter], axis: int | None = None, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.axis = _checked_axis(axis)
        self._parameters = dict(parameters)
        shape = _common_shape(parameters, axis)
        self.input_spec = _input_spec(shape, axis)
        for name, parameter in parameters.items():
            if not parameter.trainable:
                setattr(self, name, parameter.value)
                continue
            checked(parameter.value, name, self.variable_dtype)
            if axis is None or parameter.value.ndim:
                # Created here: a layer that is another's `activation=` is not built before its first call.
                setattr(self, name, self._add(name, parameter, parameter.value.shape))

    def _add(self, name: str, parameter: Parameter, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.Constant(parameter.value),
            constraint=parameter.constraint,
            autocast=False,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights whose length is that of the inputs along ``axis``.

        Raises:
            ValueError: That length is unknown.
        """
        late = {name: each for name, each in self._parameters.items() if not hasattr(self, name)}
        if self.axis is None or not late:
            return
        size = _channels(input_shape, self.axis, self.name)
        for name, parameter in late.items():
            setattr(self, name, self._add(name, parameter, (size,)))
        self.input_spec = keras.layers.InputSpec(min_ndim=self.input_spec.min_ndim, axes={self.axis: size})

    def aligned(self, parameter: Tensor, x: Tensor) -> Tensor:
        """Return a parameter in a shape that broadcasts against ``x``."""
        if self.axis is None or self.axis == -1 or not len(parameter.shape):
            return parameter
        shape = [1] * len(x.shape)
        shape[self.axis] = -1
        return ops.reshape(parameter, shape)

    def get_config(self) -> dict[str, Any]:
        """Return the options; of a learned parameter, the value that it started from."""
        config: dict[str, Any] = super().get_config()
        for name, parameter in self._parameters.items():
            config[name] = as_config(parameter.value)
            config[f"trainable_{name}"] = parameter.trainable
        return {**config, "axis": self.axis}


def _checked_axis(axis: int | None) -> int | None:
    if axis is None:
        return None
    if not isinstance(axis, int) or isinstance(axis, bool):
        raise TypeError(f"axis must be an integer or None, not {axis!r}")
    if axis == 0:
        raise ValueError("axis 0 is the batch; give -1 for channels last, 1 for channels first, or None")
    return axis


def _common_shape(parameters: Mapping[str, Parameter], axis: int | None) -> tuple[int, ...]:
    shapes = {name: parameter.value.shape for name, parameter in parameters.items()}
    for name, shape in shapes.items():
        if axis is not None and len(shape) > 1:
            raise ValueError(f"{name} has shape {shape}; with axis={axis} give a number or a vector")
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"the parameters' shapes do not fit each other: {listing}") from None


def _input_spec(shape: tuple[int, ...], axis: int | None) -> keras.layers.InputSpec:
    """Return what inputs must look like for parameters of ``shape`` neither to fail nor to enlarge them."""
    if axis is not None:
        rank = axis + 1 if axis > 0 else 1 - axis
        sizes = {axis: shape[0]} if shape and shape[0] > 1 else {}
        return keras.layers.InputSpec(min_ndim=rank, axes=sizes)
    sizes = {position - len(shape): size for position, size in enumerate(shape) if size > 1}
    # One axis more than the leftmost that matters: the first is the batch.
    return keras.layers.InputSpec(min_ndim=max(len(shape), 1 - min(sizes, default=1)), axes=sizes)


def _channels(input_shape: tuple[int | None, ...], axis: int, layer: str) -> int:
    size = input_shape[axis]
    if size is None:
        raise ValueError(
            f"layer '{layer}' learns one parameter per index of axis {axis}, whose size is unknown in inputs "
            f"of shape {tuple(input_shape)}; give that axis a size, or give the parameter as a list"
        )
    return size
