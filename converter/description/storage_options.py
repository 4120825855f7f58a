"""Checks options of a user's class that say how it stores its parameters, not what it computes.

    per_channel, learnable, trainable_<parameter>     whether a parameter is learned, and one for each channel
    units, input_dim, num_parameters                  how many numbers a parameter has
    shared_axes                                       axes along which a parameter does not vary, as for PReLU
    axis                                              the axis along which it varies; must be the last
    *_initializer, *_regularizer, *_constraint        needed by training only

These options are accepted beside the known parameters if they agree with the stored weights. Any other option may
be part of the formula.
"""

from collections.abc import Callable, Mapping

from converter.archive import Weight
from converter.description.layer_keys import TRAINING_SUFFIXES
from converter.description.stored_text import options_text, weights_text
from converter.errors import UnsupportedError

InputShape = tuple[int | None, ...]
"""The input shape that a layer was built for, including the batch."""

_Agrees = Callable[[object, list[Weight], InputShape | None], bool]


def is_storage_option(key: str) -> bool:
    """Whether an option says only how a class stores its parameters."""
    return key in _AGREES or key.startswith("trainable_") or key.endswith(TRAINING_SUFFIXES)


def require_agreement(
    options: Mapping[str, object], weights: Mapping[str, Weight], shape: InputShape | None, where: str
) -> None:
    """Check that storage options agree with the stored weights.

    Args:
        options: Options for which ``is_storage_option`` holds.
        weights: The layer's stored weights, by path.
        shape: The input shape that the layer was built for, if the file states it.
        where: The layer.

    Raises:
        UnsupportedError: An option contradicts the weights.
    """
    listed = list(weights.values())
    for key, value in options.items():
        if not _agrees(key)(value, listed, shape):
            raise UnsupportedError(
                f"stores {options_text(options, [key])}, which does not fit its "
                f"{weights_text(listed) or 'lack of weights'}",
                where=where,
            )


def _agrees(key: str) -> _Agrees:
    if key.endswith("_initializer"):
        return lambda value, weights, _: value is None or bool(weights)
    if key.endswith(TRAINING_SUFFIXES):
        return lambda *_: True
    return _AGREES.get(key, _learns)


def _learns(value: object, weights: list[Weight], _: InputShape | None) -> bool:
    """A learned parameter must have a weight; one that is not learned may have one too."""
    return value is None or value is False or (value is True and bool(weights))


def _per_channel(value: object, weights: list[Weight], shape: InputShape | None) -> bool:
    return _learns(value, weights, shape) and (value is not False or all(each.size == 1 for each in weights))


def _size(value: object, weights: list[Weight], _: InputShape | None) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value is None or (whole and all(weight.size in {1, value} for weight in weights))


def _shared_axes(value: object, weights: list[Weight], _: InputShape | None) -> bool:
    axes = [value] if isinstance(value, int) else [] if value is None else value
    if not isinstance(axes, list) or not all(type(axis) is int and axis != 0 for axis in axes):
        return False
    return all(_shares(weight.shape, axis - (axis > 0)) for weight in weights for axis in axes)


def _shares(shape: tuple[int, ...], index: int) -> bool:
    return -len(shape) <= index < len(shape) and shape[index] == 1


def _axis(value: object, _: list[Weight], shape: InputShape | None) -> bool:
    axis = value[0] if isinstance(value, list) and len(value) == 1 else value
    return axis in (None, -1) or (shape is not None and type(axis) is int and axis == len(shape) - 1)


_AGREES: Mapping[str, _Agrees] = {
    "per_channel": _per_channel,
    "learnable": _learns,
    **dict.fromkeys(("units", "input_dim", "num_parameters"), _size),
    "shared_axes": _shared_axes,
    "axis": _axis,
}
