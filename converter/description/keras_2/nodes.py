"""Reads a node of Keras 2 that calls TensorFlow: which function, with which arguments."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from converter.description.calls import read_calls
from converter.description.keras_2.arrays import ARRAYS
from converter.description.keras_2.elementwise import ELEMENTWISE, Reader
from converter.description.keras_2.graph_node import name_of, read_graph_node
from converter.description.keras_2.operation import ArgumentError, Operation, as_calls
from converter.description.keras_2.reductions import REDUCTIONS
from converter.description.keras_2.slices import SLICES
from converter.errors import UnsupportedError
from converter.graph import Argument, Call, Layer

_FUNCTIONS: Mapping[str, Reader] = {**ELEMENTWISE, **REDUCTIONS, **ARRAYS, **SLICES}

# A function has several public names: tf.add, tf.math.add, tf.compat.v1.math.add.
_MODULES = re.compile(r"(compat\.v1\.)?(math\.|nn\.|linalg\.|__operators__\.)?")
# Of these, the name without its module means something else.
_OTHERS = frozenset({"compat.v1.where"})
_CALLS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_METHODS = frozenset({"ClassMethod", "InstanceMethod", "InstanceProperty"})
_INSTEAD = "Replace it by a layer, or by an operation of keras.ops, and save the model again."


def is_node(class_name: str) -> bool:
    """Whether a class of Keras 2 wraps a call of TensorFlow."""
    return class_name in {*_CALLS, *_METHODS, "TensorFlowOpLayer"}


def read_node(entry: Mapping[str, Any], name: str, prefix: str) -> Iterator[tuple[str, Layer, Call]]:
    """Read a node.

    Args:
        entry: Its object in the file.
        name: The node's name in its model.
        prefix: The prefix of that name in the graph.

    Yields:
        Name in the model, layer and call of each operation that it becomes; the node's own is the last.

    Raises:
        UnsupportedError: The function, or one of its arguments, is not known.
    """
    class_name, where = str(entry.get("class_name")), f"layer '{prefix}{name}'"
    config = entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    if class_name in _METHODS:
        called = str(config.get("attr_name") or config.get("method_name"))
        raise UnsupportedError(
            f"takes '{called:.60}' of a tensor, which is not known", where=where, hint=_INSTEAD
        )
    for call in read_calls(entry, name):
        known_as = str(config.get("function")) if class_name in _CALLS else name_of(config)
        try:
            if class_name in _CALLS:
                operation = _called(known_as, list(call.args), call.kwargs)
            else:
                operation = _called(*read_graph_node(config, call.args[0]))
        except ArgumentError as error:
            raise UnsupportedError(
                f"calls the TensorFlow function '{known_as:.60}'{error}", where=where, hint=_INSTEAD
            ) from None
        yield from as_calls(operation, name, call.index, prefix)


def _called(function: str, args: list[Argument], kwargs: Mapping[str, Argument]) -> Operation:
    read = None if function in _OTHERS else _FUNCTIONS.get(_MODULES.sub("", function, count=1))
    if read is None:
        raise ArgumentError(", which is not known")
    parameters = inspect.signature(read).parameters
    names = list(parameters)
    if len(args) > len(names):
        raise ArgumentError(f" with {len(args)} tensors, which is not known")
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key != "name" and (key not in parameters or key in given):
            raise ArgumentError(f" with the argument '{key:.40}', which is not known")
        given[key] = value
    given.pop("name", None)
    for key, parameter in parameters.items():
        if key not in given and parameter.default is parameter.empty:
            raise ArgumentError(f" with an argument '{key}' that the file does not hold")
    return read(**given)
