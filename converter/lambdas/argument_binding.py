"""Binds a lambda's variables: its first argument to x, all others to the numbers that the file stores.

Keras stores the defaults and the closure of a lambda beside its code, and the ``arguments`` that a Lambda
layer passes as keyword arguments.
"""

from collections.abc import Mapping
from typing import NamedTuple

from converter.lambdas.code_object import CodeObject
from converter.lambdas.errors import LambdaUnreadableError, damaged
from converter.lambdas.expression import Expression, Input, Number
from converter.lambdas.finite_number import as_number

_PASSED_BY_KERAS = frozenset({"training", "mask"})  # a Lambda layer passes these itself


class Stored(NamedTuple):
    """The values that a file stores beside the code of a lambda, not validated.

    Attributes:
        defaults: A list of the defaults of its last positional arguments, or None.
        closure: A list of the values of its free variables, or None.
        given: The keyword arguments that the Lambda layer passes.
    """

    defaults: object = None
    closure: object = None
    given: Mapping[str, object] = {}


class Bound(NamedTuple):
    """The values of a lambda's variables, in the order of its code object."""

    arguments: tuple[Expression, ...]
    captured: tuple[Number, ...]


def bind(code: CodeObject, stored: Stored) -> Bound:
    """Bind every variable.

    Raises:
        LambdaUnreadableError: The file has no value for a variable, a value without a variable, or a value that
            is not a finite number.
    """
    if len(set(code.arguments)) != len(code.arguments):
        raise damaged("two arguments have one name")
    positional = code.arguments[: len(code.arguments) - code.keyword_only]
    if not positional:
        raise LambdaUnreadableError("it takes 0 arguments, not one")
    values = {**_defaults(positional, stored.defaults), **_given(code.arguments, stored.given)}
    for name in code.arguments[1:]:
        if name in _PASSED_BY_KERAS:
            raise LambdaUnreadableError(f"it takes {name!r}")
        if name not in values:
            raise LambdaUnreadableError(
                f"it takes {len(code.arguments)} arguments, and the file has no value for {name!r}"
            )
    others = tuple(values[name] for name in code.arguments[1:])
    return Bound((Input(), *others), _captured(code.captured, stored.closure))


def _defaults(positional: tuple[str, ...], stored: object) -> dict[str, Number]:
    values = _listed(stored, "its defaults are")
    if len(values) >= len(positional):
        raise LambdaUnreadableError("it takes a default argument in place of its input")
    names = positional[len(positional) - len(values) :]
    return {
        name: as_number(value, f"its default {name!r} is") for name, value in zip(names, values, strict=True)
    }


def _given(arguments: tuple[str, ...], given: Mapping[str, object]) -> dict[str, Number]:
    for name in given:
        if name not in arguments[1:]:
            raise LambdaUnreadableError(f"it does not take the argument {name!r:.60} that its layer passes")
    return {name: as_number(value, f"its argument {name!r} is") for name, value in given.items()}


def _captured(names: tuple[str, ...], stored: object) -> tuple[Number, ...]:
    values = _listed(stored, "the values that it closes over are")
    if names and not values:
        raise LambdaUnreadableError(
            f"it closes over a variable, {names[0]!r}, whose value is not in the file"
        )
    if len(names) != len(values):
        raise LambdaUnreadableError(
            f"it closes over {len(names)} variables, and the file has {len(values)} values for them"
        )
    return tuple(
        as_number(value, f"it closes over {name!r}, which is")
        for name, value in zip(names, values, strict=True)
    )


def _listed(stored: object, what: str) -> list[object] | tuple[object, ...]:
    if stored is None:
        return ()
    if not isinstance(stored, list | tuple):
        raise LambdaUnreadableError(f"{what} not stored as a list")
    return stored
