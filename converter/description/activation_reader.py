"""Finds our activations in what a file says: a class, a function's name, or a lambda's code.

Nothing is looked up or run. A class is recognised by its name and its exact config keys, a function by its
name; the body of neither is in the file, so the finding says that the formula is assumed.
"""

from collections.abc import Mapping
from typing import Any

from converter.activations import (
    ACTIVATIONS,
    Activation,
    PolynomialSS,
    by_class,
    by_expression,
    by_function,
)
from converter.archive import Weight
from converter.basis import Basis
from converter.description.found import Found
from converter.description.hints import say_activation
from converter.description.kinds import BUILT_IN_FUNCTIONS
from converter.description.parameters import of_own_layer, of_users_class
from converter.description.stored_lambda import lambda_parts
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError
from converter.lambdas import LambdaUnreadableError, read_lambda

_OWN_PACKAGE = "plainserve>"

# In Keras 2 it is clip(0.2 x + 0.5, 0, 1); in Keras 3 it is relu6(x + 3) / 6.
_HARD_SIGMOID_2 = PolynomialSS((0.5, 0.2), 2.5)


def from_class(
    class_name: str,
    config: Mapping[str, Any],
    weights: Mapping[str, Weight],
    where: str,
    rank: int | None = None,
) -> Found | None:
    """Recognise a layer class; None if the name is not one of ours.

    Args:
        class_name: As the file has it, with the package that it is registered in, if any.
        config: Its options.
        weights: What is stored for it, by path.
        where: The layer.
        rank: Of its input, where the file says it.

    Raises:
        UnsupportedError: The name is known, but config and weights are not those of such a class.
        UnsafeFileError: A parameter is not a number.
    """
    name = class_name.rsplit(">", 1)[-1]
    kind = by_class(name)
    if kind is None:
        return None
    if class_name.startswith(_OWN_PACKAGE):
        values = of_own_layer(kind, config, weights, rank, where)
        return Found(_made(kind, values, where), "a layer of converter.layers", Basis.READ)
    values, assumed = of_users_class(kind, name, config, weights, where, say_activation(where))
    why = f"formula assumed from the class name '{name}'{assumed}"
    return Found(_made(kind, values, where), why, Basis.ASSUMED)


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
        expression = read_lambda(*lambda_parts(function))
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


def from_argument(
    value: object, weights: Mapping[str, Weight], where: str, *, keras_2: bool = False
) -> Found | str:
    """Read an ``activation=`` argument: one of ours, or the name of a built-in function.

    Args:
        value: As the file has it.
        weights: What is stored for it if it is a layer, by path.
        where: The layer that takes it.
        keras_2: Keras 2 wrote the file.

    Raises:
        UnsupportedError: It is something else.
    """
    if value is None:
        return "linear"
    name = _function_name(value)
    if name == "hard_sigmoid" and keras_2:
        return Found(_HARD_SIGMOID_2, "hard_sigmoid as Keras 2 defines it", Basis.READ)
    if name in BUILT_IN_FUNCTIONS:
        return name
    if name is not None:
        found = _from_function(name)
        if found is None:
            raise _unknown_function(name, where)
        return found
    if isinstance(value, Mapping) and (value.get("class_name") == "__lambda__" or value.keys() == {"value"}):
        return _from_code(value, where)
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        return _from_object(value, weights, where)
    raise UnsafeFileError(f"its activation is {value!r:.60}", where=where)


def _from_object(value: Mapping[str, Any], weights: Mapping[str, Weight], where: str) -> Found:
    """A layer as the function of another one."""
    config = value.get("config")
    class_name = str(value.get("registered_name") or value["class_name"])
    found = from_class(class_name, config if isinstance(config, Mapping) else {}, weights, where)
    if found is None:
        raise UnsupportedError(
            f"its activation is of class '{class_name}', which is not known",
            where=where,
            hint=say_activation(where),
        )
    return found


def _made(kind: type[Activation], parameters: Mapping[str, Any], where: str) -> Activation:
    try:
        return kind(**parameters)
    except ConversionError as error:
        error.where = where
        raise


def _from_function(name: str) -> Found | None:
    if name.startswith(_OWN_PACKAGE):
        own = ACTIVATIONS.get(name.removeprefix(_OWN_PACKAGE))
        # The function of PolynomialSS takes arguments that have no defaults, so nobody can store it.
        if own is None or own is PolynomialSS:
            return None
        return Found(own(), "a function of converter.layers", Basis.READ)
    kind = by_function(name.rsplit(">", 1)[-1])
    return Found(kind(), f"formula assumed from the function name '{name}'", Basis.ASSUMED) if kind else None


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
