"""Reads the calls of a layer and their arguments, as Keras 3 or Keras 2 writes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.description.tensor_references import is_history, keras_tensor
from converter.dtypes import MEASURABLE, numpy_dtype
from converter.errors import UnsafeFileError, UnsupportedError
from converter.graph import Call, Ref

_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D"})


def read_calls(entry: Mapping[str, Any], name: str) -> list[Call]:
    """The calls of one layer, from its ``inbound_nodes``.

    Raises:
        UnsafeFileError: They are malformed.
        UnsupportedError: A call asks for training behaviour, or takes an object that is not supported.
    """
    where = f"layer '{name}'"
    nodes = entry.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    read = _legacy_call if any(isinstance(node, list) for node in nodes) else _call
    calls = []
    for index, node in enumerate(nodes):
        args, kwargs = read(node, where)
        training = kwargs.pop("training", None)
        if (
            training and read is _legacy_call
        ):  # Keras 3 overrides it with the argument of the model's own call
            raise UnsupportedError("is called with training=True, so its answers are random", where=where)
        kept = {key: value for key, value in kwargs.items() if value is not None}
        if str(entry.get("class_name")) in _RECURRENT and args and isinstance(args[0], list):
            args, kept = (args[0][0],), {**kept, "initial_state": args[0][1:]}  # as Keras 2 lists them
        calls.append(Call(name, index, args, kept))
    return calls


def _call(node: object, where: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call as Keras 3 writes it."""
    if not isinstance(node, Mapping):
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    args, kwargs = node.get("args") or [], node.get("kwargs") or {}
    if not isinstance(args, list) or not isinstance(kwargs, Mapping):
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    return tuple(_argument(item, where) for item in args), {
        str(key): _argument(item, where) for key, item in kwargs.items()
    }


def _legacy_call(node: object, where: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call as Keras 2 writes it: a list of tensors or constants, each with keyword arguments."""
    if not isinstance(node, list) or not node:
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    entries = node if isinstance(node[0], list) else [node]
    if not all(is_history(item) or _is_constant(item) for item in entries):
        raise UnsafeFileError("has malformed inbound_nodes", where=where)
    found = [item[2] if _is_constant(item) else Ref(item[0], item[1], item[2]) for item in entries]
    kwargs = (entries[0][3:] or [{}])[0]
    return (found[0] if len(found) == 1 else found,), {
        str(key): _legacy_argument(item, where) for key, item in kwargs.items()
    }


def _is_constant(value: object) -> bool:
    """Whether a value is a constant in place of a tensor: a number, a list of numbers, or an einsum equation."""
    return (
        isinstance(value, list)
        and len(value) in {3, 4}
        and value[0] == "_CONSTANT_VALUE"
        and isinstance(value[2], int | float | list | str)
        and (len(value) == 3 or isinstance(value[3], Mapping))
    )


def _argument(value: object, where: str) -> Any:  # noqa: ANN401  JSON with tensors in it
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            return keras_tensor(value, where)
        if "class_name" in value:
            return _constant(value, where)
        return {key: _argument(value[key], where) for key in sorted(value)}
    if isinstance(value, list):
        return [_argument(item, where) for item in value]
    return value


def _constant(value: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401  a slice, Ellipsis or an array
    """Constants that Keras 3 writes as objects."""
    kind, config = value["class_name"], value.get("config")
    config = config if isinstance(config, Mapping) else {}
    if kind == "__slice__":
        parts = [config.get(key) for key in ("start", "stop", "step")]
        if all(part is None or isinstance(part, int) for part in parts):
            return slice(*parts)
    if kind == "__ellipsis__":
        return Ellipsis
    dtype = str(config.get("dtype"))
    if str(kind) in {"__numpy__", "__tensor__"} and dtype in MEASURABLE:
        try:
            return np.asarray(config.get("value"), numpy_dtype(dtype))
        except (ValueError, TypeError, OverflowError):
            raise UnsafeFileError("is called with an array that holds no numbers", where=where) from None
    raise UnsupportedError(f"is called with a {kind!r:.40}", where=where)


def _legacy_argument(value: object, where: str) -> Any:  # noqa: ANN401  JSON with tensors in it
    if is_history(value):
        assert isinstance(value, list)  # noqa: S101  tells the type checker what is_history found
        return Ref(value[0], value[1], value[2])
    if isinstance(value, list):
        return [_legacy_argument(item, where) for item in value]
    return _argument(value, where)
