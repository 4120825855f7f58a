"""Finds our activations in what a file says: a class, a function's name, or a lambda's code.

Nothing is looked up or run. A class is recognised by its name and its exact config keys, a function by its
name; the body of neither is in the file, so the finding says that the formula is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.activations import (
    ACTIVATIONS,
    Activation,
    Formula,
    PolynomialSS,
    by_class,
    by_expression,
    by_function,
    number,
)
from converter.archive import Weight
from converter.basis import Basis
from converter.description.kinds import BUILT_IN_FUNCTIONS
from converter.description.parameters import of_own_layer, of_users_class
from converter.description.passed_arguments import passed_arguments, with_arguments
from converter.description.stored_lambda import lambda_parts
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError, UsageError
from converter.lambdas import LambdaUnreadableError, read_lambda

_OWN_PACKAGE = "plainserve>"
_STATED = "stated by --activation"
_READ = "formula read from the lambda"

# In Keras 2 it is clip(0.2 x + 0.5, 0, 1); in Keras 3 it is relu6(x + 3) / 6.
_HARD_SIGMOID_2 = PolynomialSS((0.5, 0.2), 2.5)


@dataclass(frozen=True)
class Found:
    """An activation and how it is known."""

    activation: Activation
    why: str
    basis: Basis


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
    if config.get("mask"):
        raise UnsupportedError("the Lambda takes 'mask'", where=where, hint=say_activation(where))
    function, given = config.get("function"), passed_arguments(config.get("arguments"), where)
    name = _function_name(function)
    if name is None:
        return _from_code(function, where, given)
    found = _from_function(name)
    if found is None:
        raise _unknown_function(name, where)
    return Found(with_arguments(found.activation, found.basis, given, where), found.why, found.basis)


def _from_code(function: object, where: str, given: Mapping[str, object] | None = None) -> Found:
    try:
        expression = read_lambda(*lambda_parts(function), given)
    except LambdaUnreadableError as error:
        raise UnsupportedError(
            f"the lambda cannot be read: {error}", where=where, hint=say_activation(where)
        ) from None
    try:
        recognised = by_expression(expression)
        return Found(*recognised) if recognised else Found(Formula(expression), _READ, Basis.READ)
    except ConversionError as error:
        error.where = where
        error.hint = error.hint or say_activation(where)
        raise


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


def from_statement(text: str) -> Found:
    """Read ``pss:alpha=3``, ``ss``, ``rational_ss:a=1.5,b=0.8`` or ``polynomial_ss:limit=3,c0=0.5,c1=0.2``.

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
            raise UsageError(f"--activation: {key} takes {_listed(kind.parameters)}, not '{item}'")
        try:
            values[name] = number(float(value), name, "--activation")
        except (ValueError, UnsafeFileError):
            raise UsageError(f"--activation: '{name}' needs a finite number, not '{value}'") from None
    try:
        return Found(kind.from_numbers(values), _STATED, Basis.STATED)
    except UnsupportedError as error:
        raise UsageError(f"--activation: {error.what}", hint=error.hint) from None


def say_activation(where: str) -> str:
    """The hint that shows what to type."""
    layer = where.removeprefix("layer ").strip("'")
    return (
        f"If you know the formula, state it: --activation {layer}=pss:alpha=2 (or ss, rational_ss:a=1,b=1)."
    )


def _listed(names: tuple[str, ...]) -> str:
    """The parameters of an activation, shortened where there are many."""
    shown = [*names[:3], "..."] if len(names) > 4 else names
    return ", ".join(shown) or "no parameters"


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
