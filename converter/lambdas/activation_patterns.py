"""Matches expressions against the patterns of the known activations, in whatever order they are written.

Only identities are used that hold for every x and that floating point preserves up to rounding: constant factors
are moved out of products and quotients, with their sign. Sums are never rearranged (in ``1e8 + abs(x) - 1e8`` the
order matters), and a factor that is zero or outside float32's normal range is not moved, because that could hide
an overflow or a loss of precision that the lambda itself has. Every function returns None if its pattern does not
match.
"""

import math

from converter.lambdas.expression import Add, Call, Div, Expression, Input, Mul, Neg, Number, Sub
from converter.lambdas.known_functions import ABSOLUTE, SIGMOID, SOFTSIGN

_LEAST, _GREATEST = 2.0**-126, 2.0**127


def constant(expression: Expression) -> float | None:
    """The value of an expression without x, computed in float64; None if it is not finite."""
    match expression:
        case Number(value):
            return float(value)
        case Neg(operand):
            return None if (negated := constant(operand)) is None else -negated
        case Add(left, right) | Sub(left, right) | Mul(left, right) | Div(left, right):
            return _folded(expression, constant(left), constant(right))
        case _:
            return None


def scaled_input(expression: Expression) -> float | None:
    """Find k where the expression is k * x."""
    factor, rest = _split_factor(expression)
    return factor if rest == Input() else None


def scaled_abs(expression: Expression) -> float | None:
    """Find k where the expression is k * abs(x), by any known name of abs."""
    factor, rest = _split_factor(expression)
    scale = _scale_inside(rest, ABSOLUTE)
    return None if scale is None else _harmless(factor * abs(scale))


def as_rational(expression: Expression) -> tuple[float, float] | None:
    """Find (a, b) where the expression is a * x / (1 + b * abs(x)).

    It may be written as k * x / (c + d * abs(x)) with c not zero: then a = k / c and b = d / c. If b is negative,
    the expression has poles; the caller must refuse it.
    """
    factor, rest = _split_factor(expression)
    if not isinstance(rest, Div):
        return None
    numerator = scaled_input(rest.left)
    denominator = _constant_plus_abs(rest.right)
    if numerator is None or denominator is None:
        return None
    offset, slope = denominator
    a = _harmless(factor * numerator / offset)
    b = _harmless(slope / offset)
    return None if a is None or b is None else (a, b)


def as_softsign(expression: Expression) -> tuple[float, float] | None:
    """Find (a, b) = (k s, abs(s)) where the expression is k * softsign(s * x) = a * x / (1 + b * abs(x))."""
    factor, rest = _split_factor(expression)
    scale = _scale_inside(rest, SOFTSIGN)
    if scale is None:
        return None
    a = _harmless(factor * scale)
    return None if a is None else (a, abs(scale))


def as_sigmoid(expression: Expression) -> float | None:
    """Find alpha where the expression is sigmoid(alpha * x), by any known name of sigmoid."""
    return _scale_inside(expression, SIGMOID)


def as_named_call(expression: Expression) -> str | None:
    """Find f where the expression is exactly f(x)."""
    if isinstance(expression, Call) and expression.arguments == (Input(),) and not expression.keywords:
        return expression.function
    return None


def _scale_inside(expression: Expression, functions: frozenset[str]) -> float | None:
    """Find k where the expression is f(k * x) and f is one of the functions."""
    if not isinstance(expression, Call) or expression.function not in functions or expression.keywords:
        return None
    return scaled_input(expression.arguments[0]) if len(expression.arguments) == 1 else None


def _constant_plus_abs(expression: Expression) -> tuple[float, float] | None:
    """(c, d) where the expression is c + d * abs(x), neither of them zero."""
    factor, rest = _split_factor(expression)
    match rest:
        case Add(left, right):
            pass
        case Sub(left, right):
            right = Neg(right)  # l - r = l + (-r)
        case _:
            return None
    offset, slope = constant(left), scaled_abs(right)
    if offset is None or slope is None:
        offset, slope = constant(right), scaled_abs(left)
    if offset is None or slope is None:
        return None
    c, d = _harmless(factor * offset), _harmless(factor * slope)
    return None if c is None or d is None else (c, d)


def _split_factor(expression: Expression) -> tuple[float, Expression]:
    """(k, rest) where the expression is k * rest, with every constant factor in k that can be moved safely."""
    match expression:
        case Neg(operand):
            factor, rest = _split_factor(operand)
            return -factor, rest
        case Mul(left, right):
            value, other = constant(left), right
            if value is None:
                value, other = constant(right), left
        case Div(left, right):
            value, other = constant(right), left
        case _:
            return 1.0, expression
    if value is None or _harmless(value) is None:
        return 1.0, expression
    factor, rest = _split_factor(other)
    product = _harmless(factor / value if isinstance(expression, Div) else factor * value)
    return (1.0, expression) if product is None else (product, rest)


def _harmless(value: float) -> float | None:
    return value if _LEAST <= abs(value) <= _GREATEST else None


def _folded(expression: Add | Sub | Mul | Div, left: float | None, right: float | None) -> float | None:
    if left is None or right is None or (isinstance(expression, Div) and right == 0):
        return None
    match expression:
        case Add():
            value = left + right
        case Sub():
            value = left - right
        case Mul():
            value = left * right
        case Div():
            value = left / right
    return value if math.isfinite(value) else None
