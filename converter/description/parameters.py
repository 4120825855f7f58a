"""Reads the parameters of a recognised activation class: from its config, or from its weights if they are learned.

A stored weight holds the learned value; a config entry for the same parameter is only its initial value. The file
does not name weights, so several weights are assigned in the order of the formula's parameters, and the finding says
so.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.activations import Activation, Parameter, number, parameter
from converter.archive import Weight
from converter.description.layer_keys import LAYER_KEYS, plain_array
from converter.description.storage_options import InputShape, is_storage_option, require_agreement
from converter.description.stored_text import options_text, stored_text, weights_text
from converter.errors import UnsupportedError

_MAX_CHANNELS = 65_536
_LISTS = frozenset({"coefficients"})


def of_own_layer(
    kind: type[Activation],
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    shape: InputShape | None,
    where: str,
) -> dict[str, Parameter]:
    """Read the parameters of a layer of ``converter.layers``.

    Args:
        kind: The activation that it computes.
        config: Its options: the parameters, ``trainable_<parameter>`` and ``axis``.
        weights: One for each parameter that is learned, in order.
        shape: The input shape that it was built for, if the file states it.
        where: The layer.

    Raises:
        UnsafeFileError: A parameter is not a finite number.
        UnsupportedError: Weights are missing, or the parameters vary along another axis than the last.
    """
    expected = kind.class_names[kind.layer]
    learned = [name for name in kind.parameters if config.get(f"trainable_{name}")]
    if len(weights) != len(learned):
        raise UnsupportedError(
            f"stores {len(weights)} weights where its options call for {len(learned)}", where=where
        )
    values = {name: parameter(plain_array(config[name]), name, where) for name in expected if name in config}
    values |= learned_values(learned, weights, shape, where)
    axis = config.get("axis")
    last = axis in (None, -1) or (shape is not None and axis == len(shape) - 1)
    if not last and any(isinstance(value, tuple) for value in values.values()):
        raise UnsupportedError(f"its parameters differ along axis {axis}, which is not the last", where=where)
    return values


def of_custom_class(
    kind: type[Activation],
    name: str,
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    shape: InputShape | None,
    where: str,
) -> tuple[dict[str, Parameter], str]:
    """Read the parameters of a user's class, and say what was assumed about them (empty if nothing).

    Args:
        kind: The activation that a class of that name is assumed to compute.
        name: The name of the class, without its package.
        config: Its options: the parameters, and options that say how they are stored.
        weights: Its stored weights, by path.
        shape: The input shape that it was built for, if the file states it.
        where: The layer.

    Raises:
        UnsafeFileError: A parameter is not a finite number.
        UnsupportedError: The config and weights do not belong to such a class.
    """
    expected = kind.class_names[name]
    keys = set(config) - LAYER_KEYS
    options = {key: config[key] for key in keys - expected}
    learned = learned_names([key for key in kind.parameters if key in expected], config, len(weights))
    known = all(map(is_storage_option, options)) and all(path.count("/") == 1 for path in weights)
    if not known or learned is None or expected - keys - set(learned):
        raise UnsupportedError(
            f"class '{name}' stores {stored_text(config, weights)}; a class of this name is known to store "
            f"{', '.join(sorted(expected)) or 'nothing'}",
            where=where,
        )
    require_agreement(options, weights, shape, where)
    values = {key: _written(config[key], key, where) for key in sorted(keys & expected) if key not in learned}
    values |= learned_values(learned, weights, shape, where)
    return values, _assumed(learned, options)


def learned_values(
    names: list[str], weights: Mapping[str, Weight], shape: InputShape | None, where: str
) -> dict[str, Parameter]:
    """Read stored weights, which belong to these parameters in this order.

    Raises:
        UnsupportedError: A weight is neither a scalar nor one number for each channel of the last axis, or
            holds NaN or infinity.
    """
    ordered = [weights[path] for path in sorted(weights, key=_number)]
    return {name: _learned(weight, name, shape, where) for name, weight in zip(names, ordered, strict=True)}


def learned_names(names: list[str], config: Mapping[str, Any], count: int) -> list[str] | None:
    """Determine which parameters the stored weights hold, in order.

    Args:
        names: The parameters that may be learned.
        config: The layer's options.
        count: The number of stored weights.

    Returns:
        The first of these whose number equals that of the weights: all parameters, those that the options declare
        as learned (``trainable_<parameter>``), those that the config lacks; None if no number fits.
    """
    said = [name for name in names if config.get(f"trainable_{name}") is True]
    lacking = [name for name in names if name not in config]
    candidates = (names, said, lacking) if count else ([],)
    return next((each for each in candidates if len(each) == count), None)


def _assumed(learned: list[str], options: Mapping[str, Any]) -> str:
    text = ""
    if learned:
        text = f", its weight{'s' if len(learned) > 1 else ''} to be {', '.join(learned)}"
        text += " in this order" if len(learned) > 1 else ""
    aside = [key for key, value in options.items() if value is not None and not isinstance(value, Mapping)]
    return f"{text}; {options_text(options, aside)} left aside" if aside else text


def _written(value: object, key: str, where: str) -> Parameter:
    """A parameter in a user's config: one number, because per-channel parameters are learned and so are weights."""
    read = parameter if key in _LISTS else number
    return read(plain_array(value), key, where)


def _number(path: str) -> tuple[str, int]:
    holder, _, number = path.rpartition("/")
    return holder, int(number) if number.isdecimal() else -1


def _learned(weight: Weight, name: str, shape: InputShape | None, where: str) -> Parameter:
    """A scalar, or one number per channel of the last axis."""
    if any(size != 1 for size in weight.shape[:-1]) or weight.size > _MAX_CHANNELS or not weight.size:
        raise UnsupportedError(
            f"weight '{name}' has shape {weight.shape}: it differs along more than the last axis", where=where
        )
    if shape and (len(weight.shape) > len(shape) or weight.size not in {1, shape[-1] or weight.size}):
        raise UnsupportedError(
            f"stores {weights_text([weight])} for {name}, which does not fit its input of shape "
            f"{('batch', *('?' if size is None else size for size in shape[1:]))}".replace("'", ""),
            where=where,
        )
    values = np.ravel(weight.read()).astype(np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedError(f"weight '{name}' holds NaN or infinity", where=where)
    return float(values[0]) if values.size == 1 else tuple(values.tolist())
