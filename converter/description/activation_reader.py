"""Finds our activations in what a file says: a class, a function's name, or a lambda's code.

Nothing is looked up or run. A class is recognised by its name and its exact config keys, a function by its
name; the body of neither is in the file, so the finding says that the formula is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.activations import ACTIVATIONS, Activation, by_class, by_expression, by_function, number
from converter.archive import Weight
from converter.description.kinds import BUILT_IN_FUNCTIONS
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError, UsageError
from converter.lambdas import LambdaUnreadableError, read_lambda

# What every Keras layer stores beside its own arguments.
_LAYER_KEYS = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape"})
_OWN_PACKAGE = "plainserve>"
_STATED = "stated by --activation"


@dataclass(frozen=True)
class Found:
    """An activation and how it is known."""

    activation: Activation
    why: str


def from_class(
    class_name: str, config: Mapping[str, Any], weights: Mapping[str, Weight], where: str
) -> Found | None:
    """Recognise a user's layer class; None if the name is not one of ours.

    Raises:
        UnsupportedError: The name is known but the config is not that of such a class.
        UnsafeFileError: A parameter is not a number.
    """
    name = class_name.rsplit(">", 1)[-1]
    kind = by_class(name)
    if kind is None:
        return None
    keys = set(config) - _LAYER_KEYS
    expected = kind.class_names[name]
    if class_name.startswith(_OWN_PACKAGE):
        keys &= expected
    if keys != expected or weights:
        stored = ", ".join(sorted(keys)) or "nothing"
        extra = f" and {len(weights)} weights" if weights else ""
        raise UnsupportedError(
            f"class '{name}' stores {stored}{extra}; a class of this name is known to store "
            f"{', '.join(sorted(expected)) or 'nothing'}",
            where=where,
            hint=say_activation(where),
        )
    activation = _made(kind, {key: number(config[key], key, where) for key in expected}, where)
    if class_name.startswith(_OWN_PACKAGE):
        return Found(activation, "a layer of converter.layers")
    return Found(activation, f"formula assumed from the class name '{name}'")


def from_lambda(config: Mapping[str, Any], where: str) -> Found:
    """Recognise what a Lambda layer computes.

    Raises:
        UnsupportedError: It cannot be read, or computes something that is not known.
    """
    for option in ("arguments", "mask"):
        if config.get(option):
            raise UnsupportedError(f"the Lambda takes '{option}'", where=where, hint=say_activation(where))
    function = config.get("function")
    name = _function_name(function)
    if name is not None:
        found = _from_function(name)
        if found is None:
            raise _unknown_function(name, where)
        return found
    return _from_code(function, where)


def _from_code(function: object, where: str) -> Found:
    try:
        expression = read_lambda(*_lambda_parts(function))
    except LambdaUnreadableError as error:
        raise UnsupportedError(
            f"the lambda cannot be read: {error}", where=where, hint=say_activation(where)
        ) from None
    try:
        recognised = by_expression(expression)
    except ConversionError as error:
        error.where = where
        raise
    if recognised is None:
        raise UnsupportedError(
            f"the lambda computes {expression}, which is none of {', '.join(ACTIVATIONS)}",
            where=where,
            hint=say_activation(where),
        )
    return Found(*recognised)


def from_argument(value: object, where: str) -> Found | str:
    """Read an ``activation=`` argument: one of ours, or the name of a built-in function.

    Raises:
        UnsupportedError: It is something else.
    """
    if value is None:
        return "linear"
    name = _function_name(value)
    if name is not None:
        if name in BUILT_IN_FUNCTIONS:
            return name
        found = _from_function(name)
        if found is None:
            raise _unknown_function(name, where)
        return found
    if isinstance(value, Mapping) and value.get("class_name") == "__lambda__":
        return _from_code(value, where)
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        config = value.get("config")
        class_name = str(value.get("registered_name") or value["class_name"])
        found = from_class(class_name, config if isinstance(config, Mapping) else {}, {}, where)
        if found is not None:
            return found
        raise UnsupportedError(
            f"its activation is of class '{class_name}', which is not known",
            where=where,
            hint=say_activation(where),
        )
    raise UnsafeFileError(f"its activation is {value!r:.60}", where=where)


def from_statement(text: str) -> Found:
    """Read ``pss:alpha=3``, ``ss`` or ``rational_ss:a=1.5,b=0.8``.

    Raises:
        UsageError: It is none of these.
    """
    key, _, listed = text.partition(":")
    kind = ACTIVATIONS.get(key)
    if kind is None:
        raise UsageError(f"--activation: '{key}' is none of {', '.join(ACTIVATIONS)}")
    values: dict[str, float] = {}
    for item in filter(None, listed.split(",")):
        name, _, value = item.partition("=")
        if name not in kind.parameters or name in values:
            raise UsageError(
                f"--activation: {key} takes {', '.join(kind.parameters) or 'no parameters'}, not '{item}'"
            )
        try:
            values[name] = number(float(value), name, "--activation")
        except (ValueError, UnsafeFileError):
            raise UsageError(f"--activation: '{name}' needs a finite number, not '{value}'") from None
    return Found(kind(**values), _STATED)


def say_activation(where: str) -> str:
    """The hint that shows what to type."""
    layer = where.removeprefix("layer ").strip("'")
    return (
        f"If you know the formula, state it: --activation {layer}=pss:alpha=2 (or ss, rational_ss:a=1,b=1)."
    )


def _made(kind: type[Activation], parameters: Mapping[str, float], where: str) -> Activation:
    try:
        return kind(**parameters)
    except ConversionError as error:
        error.where = where
        raise


def _from_function(name: str) -> Found | None:
    kind = by_function(name.rsplit(">", 1)[-1])
    return Found(kind(), f"formula assumed from the function name '{name}'") if kind else None


def _unknown_function(name: str, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"uses the function '{name}', whose body is not in the file", where=where, hint=say_activation(where)
    )


def _function_name(value: object) -> str | None:
    """The name in a plain text, or in what Keras 3 writes for a function that is no lambda."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        name = value.get("config")
        return name if isinstance(name, str) else None
    return None


def _lambda_parts(function: object) -> tuple[str, object, object]:
    """Code, defaults and closure, as Keras 3 (a ``__lambda__`` object) or Keras 2 (a list) writes them.

    As an ``activation=`` argument Keras 3 puts the list into the object.
    """
    if isinstance(function, Mapping) and function.get("class_name") == "__lambda__":
        config = function.get("config")
        parts: object = config.get("value") if isinstance(config, Mapping) else None
        if parts is None and isinstance(config, Mapping):
            parts = [config.get(key) for key in ("code", "defaults", "closure")]
    else:
        parts = function
    if not isinstance(parts, list) or len(parts) != 3 or not isinstance(parts[0], str):
        raise LambdaUnreadableError("it is not stored the way Keras stores a lambda")
    return parts[0], parts[1], parts[2]
