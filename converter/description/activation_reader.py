"""Recognises activations in the functions that a file names, and in lambdas.

Nothing is looked up or run. A function is recognised by its name; its body is not in the file, so the finding says
that the formula is assumed. A lambda's bytecode is in the file and is read.
"""

from collections.abc import Mapping
from typing import Any

from converter.activations import ACTIVATIONS, Activation, Formula, PolynomialSS, by_expression, by_function
from converter.basis import Basis
from converter.description.lambda_arguments import lambda_arguments, with_arguments
from converter.description.option_hints import activation_hint, activation_or_code_hint
from converter.description.recognition import Recognition
from converter.description.stored_lambda import lambda_parts
from converter.description.supported_layers import BUILT_IN_FUNCTIONS
from converter.errors import ConversionError, UnsupportedError
from converter.lambdas import LambdaUnreadableError, read_lambda

_OWN_PACKAGE = "plainserve>"
_READ = "formula read from the lambda"

# In Keras 2 it is clip(0.2 x + 0.5, 0, 1); in Keras 3 it is relu6(x + 3) / 6.
_HARD_SIGMOID_2 = PolynomialSS((0.5, 0.2), 2.5)


def from_lambda(config: Mapping[str, Any], where: str) -> Recognition:
    """Recognise what a Lambda layer computes.

    Raises:
        UnsupportedError: It cannot be read, or computes something that is not supported.
    """
    if config.get("mask"):
        raise UnsupportedError("the Lambda takes 'mask'", where=where, hint=activation_hint(where))
    function, given = config.get("function"), lambda_arguments(config.get("arguments"), where)
    name = function_name(function)
    if name is None:
        return _from_code(function, where, given)
    known = _named(name)
    if known is None:
        raise _unknown_function(name, where)
    activation, why, basis = known
    return Recognition(with_arguments(activation, basis, given, where), why, basis)


def _from_code(function: object, where: str, given: Mapping[str, object] | None = None) -> Recognition:
    try:
        expression = read_lambda(*lambda_parts(function), given)
    except LambdaUnreadableError as error:
        raise UnsupportedError(
            f"the lambda cannot be read: {error}", where=where, hint=activation_hint(where)
        ) from None
    try:
        recognised = by_expression(expression)
        return Recognition(*recognised) if recognised else Recognition(Formula(expression), _READ, Basis.READ)
    except ConversionError as error:
        error.where = where
        error.hint = error.hint or activation_hint(where)
        raise


def from_function(value: object, where: str, *, keras_2: bool = False) -> Recognition | str | None:
    """Recognise a function in a config: a name, or a lambda.

    Args:
        value: The value in the file.
        where: The layer whose argument it is.
        keras_2: Keras 2 wrote the file.

    Returns:
        A recognised activation, or the name of a function of Keras's own; None if it is an object, not a function.

    Raises:
        UnsupportedError: It is any other function.
    """
    if value is None:
        return "linear"
    name = function_name(value)
    if name == "hard_sigmoid" and keras_2:
        return Recognition(_HARD_SIGMOID_2, "hard_sigmoid as Keras 2 defines it", Basis.READ)
    if name in BUILT_IN_FUNCTIONS:
        return name
    if name is not None:
        known = _named(name)
        if known is None:
            raise _unknown_function(name, where)
        return Recognition(*known)
    if isinstance(value, Mapping) and (value.get("class_name") == "__lambda__" or value.keys() == {"value"}):
        return _from_code(value, where)
    return None


def _named(name: str) -> tuple[Activation, str, Basis] | None:
    """The activation that a function of this name is assumed to be, and how that is known."""
    if name.startswith(_OWN_PACKAGE):
        own = ACTIVATIONS.get(name.removeprefix(_OWN_PACKAGE))
        # The function of PolynomialSS has arguments without defaults, so it cannot be stored by its name.
        if own is None or own is PolynomialSS:
            return None
        return own(), "a function of converter.layers", Basis.READ
    kind = by_function(name.rsplit(">", 1)[-1])
    return (kind(), f"formula assumed from the function name '{name}'", Basis.ASSUMED) if kind else None


def _unknown_function(name: str, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"uses the function '{name}', whose body is not in the file",
        where=where,
        hint=activation_or_code_hint(where),
    )


def function_name(value: object) -> str | None:
    """The name of a function that is stored as a string, or as the object that Keras 3 writes for it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        name = value.get("config")
        return name if isinstance(name, str) else None
    return None
