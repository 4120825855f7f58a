"""The activations that Plainserve knows, and their lookup by class name, function name or expression.

To add one: a file here, its layer in ``converter.layers``, and a row in the parity table.
"""

from collections.abc import Mapping

from converter.activations.activation import Activation, Parameter, Step, number, parameter
from converter.activations.formula import Formula
from converter.activations.polynomial_ss import PolynomialSS
from converter.activations.pss import PSS
from converter.activations.rational_ss import RationalSS
from converter.activations.ss import SS
from converter.basis import Basis
from converter.lambdas import Expression, as_named_call

__all__ = [
    "ACTIVATIONS",
    "PSS",
    "SS",
    "Activation",
    "Formula",
    "Parameter",
    "PolynomialSS",
    "RationalSS",
    "Step",
    "by_class",
    "by_expression",
    "by_function",
    "number",
    "parameter",
]

ACTIVATIONS: Mapping[str, type[Activation]] = {kind.key: kind for kind in (PSS, SS, RationalSS, PolynomialSS)}


def by_class(name: str) -> type[Activation] | None:
    """The activation for which users have this class name."""
    return next((kind for kind in ACTIVATIONS.values() if name in kind.class_names), None)


def by_function(name: str) -> type[Activation] | None:
    """The activation for which users have this function name."""
    return next((kind for kind in ACTIVATIONS.values() if name in kind.function_names), None)


def by_expression(expression: Expression) -> tuple[Activation, str, Basis] | None:
    """The activation that a lambda computes, and how that is known; None if it computes something else.

    An expression that contains the arithmetic is read from the code. For one that only calls a function, exactly
    ``f(x)``, the formula is assumed from the name.
    """
    for kind in ACTIVATIONS.values():
        found = kind.from_expression(expression)
        if found is not None:
            return found, "formula read from the lambda", Basis.READ
    name = as_named_call(expression)
    known = by_function(name) if name else None
    return (known(), f"formula assumed from the name '{name}'", Basis.ASSUMED) if known else None
