"""Checks that a value from a file is a finite number, as an expression requires."""

import math
from collections.abc import Mapping

from converter.lambdas.errors import LambdaUnreadableError
from converter.lambdas.expression import Number

_SHOWN = 40  # characters of a text in a reason


def as_number(value: object, what: str) -> Number:
    """Convert a value to a ``Number``.

    Args:
        value: From bytecode, or as Keras stores it.
        what: The beginning of the reason, such as ``it uses``.

    Raises:
        LambdaUnreadableError: It is not a finite number.
    """
    if value is None or isinstance(value, bool):
        raise LambdaUnreadableError(f"{what} the constant {value}")
    if not isinstance(value, int | float):
        raise LambdaUnreadableError(f"{what} {_kind(value)}")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        raise LambdaUnreadableError("it holds a number too large for float64") from None
    if not finite:
        raise LambdaUnreadableError(f"{what} the constant {value}")
    return Number(value)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:_SHOWN]!r}"
    if isinstance(value, list):
        return "a list of values"
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        return f"the function {str(value.get('config'))[:_SHOWN]!r}"
    if isinstance(value, Mapping) and value.get("class_name") == "__lambda__":
        return "another lambda"
    return "a constant that is no number"
