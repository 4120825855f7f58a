"""The numbers of a recognised activation class: from its config, or from its weights if it learns them.

A stored weight holds what was learned; a config that names the same parameter only says where it started. The
file does not name weights, so several are taken in the order of the formula's parameters, and the finding
says so.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.activations import Activation, Parameter, number, parameter
from converter.archive import Weight
from converter.description.layer_keys import LAYER_KEYS, TRAINING_SUFFIXES, plain_array
from converter.errors import UnsupportedError

_MAX_CHANNELS = 65_536
_LISTS = frozenset({"coefficients"})


def of_own_layer(
    kind: type[Activation],
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    rank: int | None,
    where: str,
) -> dict[str, Parameter]:
    """Parameters of a layer of ``converter.layers``.

    Args:
        kind: What it computes.
        config: Its options: the parameters, ``trainable_<parameter>`` and ``axis``.
        weights: One for each parameter that is learned, in order.
        rank: Of its input, where the file says it.
        where: The layer.

    Raises:
        UnsafeFileError: A parameter is not a finite number.
        UnsupportedError: Weights are missing, or the parameters differ along another axis than the last.
    """
    expected = kind.class_names[kind.layer]
    learned = [name for name in kind.parameters if config.get(f"trainable_{name}")]
    if len(weights) != len(learned):
        raise UnsupportedError(
            f"stores {len(weights)} weights where its options call for {len(learned)}", where=where
        )
    values = {name: parameter(plain_array(config[name]), name, where) for name in expected if name in config}
    values |= _read(dict(zip(learned, _in_order(weights), strict=True)), where)
    axis = config.get("axis")
    last = axis in {None, -1} or (rank is not None and axis == rank - 1)
    if not last and any(isinstance(value, tuple) for value in values.values()):
        raise UnsupportedError(f"its parameters differ along axis {axis}, which is not the last", where=where)
    return values


def of_users_class(
    kind: type[Activation],
    name: str,
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    where: str,
    hint: str,
) -> tuple[dict[str, Parameter], str]:
    """Parameters of a user's class, and what was assumed about them (empty if nothing).

    Raises:
        UnsafeFileError: A parameter is not a finite number.
        UnsupportedError: Config and weights are not those of such a class.
    """
    expected = kind.class_names[name]
    keys = {key for key in set(config) - LAYER_KEYS if not (weights and key.endswith(TRAINING_SUFFIXES))}
    learned = [key for key in kind.parameters if key in expected]
    if len(weights) != len(learned):
        learned = [key for key in learned if key not in keys] if weights else []
    parts = [path for path in weights if path.count("/") != 1]  # weights of layers inside, not of this one
    if keys - expected or parts or len(weights) != len(learned) or expected - keys - set(learned):
        stored = ", ".join(sorted(keys)) or "nothing"
        extra = f" and {len(weights)} weights" if weights else ""
        raise UnsupportedError(
            f"class '{name}' stores {stored}{extra}; a class of this name is known to store "
            f"{', '.join(sorted(expected)) or 'nothing'}",
            where=where,
            hint=hint,
        )
    values = {key: _written(config[key], key, where) for key in sorted(keys) if key not in learned}
    values |= _read(dict(zip(learned, _in_order(weights), strict=True)), where)
    assumed = f", its weights to be {', '.join(learned)} in this order" if len(learned) > 1 else ""
    return values, assumed


def _written(value: object, key: str, where: str) -> Parameter:
    """A parameter in a user's config: what differs by channel is learned, so it is a weight and never stands here."""
    read = parameter if key in _LISTS else number
    return read(plain_array(value), key, where)


def _in_order(weights: Mapping[str, Weight]) -> list[Weight]:
    return [weights[path] for path in sorted(weights, key=_number)]


def _number(path: str) -> tuple[str, int]:
    holder, _, number = path.rpartition("/")
    return holder, int(number) if number.isdecimal() else -1


def _read(weights: Mapping[str, Weight], where: str) -> dict[str, Parameter]:
    return {name: _learned(weight, name, where) for name, weight in weights.items()}


def _learned(weight: Weight, name: str, where: str) -> Parameter:
    """A scalar, or one number per channel of the last axis."""
    if any(size != 1 for size in weight.shape[:-1]) or weight.size > _MAX_CHANNELS or not weight.size:
        raise UnsupportedError(
            f"weight '{name}' has shape {weight.shape}: it differs along more than the last axis", where=where
        )
    values = np.ravel(weight.read()).astype(np.float64)
    if not np.isfinite(values).all():
        raise UnsupportedError(f"weight '{name}' holds NaN or infinity", where=where)
    return float(values[0]) if values.size == 1 else tuple(values.tolist())
