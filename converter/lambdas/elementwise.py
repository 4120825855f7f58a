"""Rewrites an expression with elementwise operations, whatever names and operators it was written with.

    x * tf.nn.sigmoid(x)                                 multiply(x, sigmoid(x))
    K.clip(x, 0, max_value=6) / 6             ->         divide(clip(x, 0, 6), 6)
    tf.where(x > 0, x, 0.1 * x)                          where(greater(x, 0), x, multiply(0.1, x))

Each operation is elementwise, so the result has the shape of x. Operations take numbers, except that ``where``
takes a truth value first and logical operations take truth values; they give either numbers or truth values.
"""

from collections.abc import Callable, Mapping
from typing import Any

from converter.lambdas.errors import LambdaUnreadableError
from converter.lambdas.expression import (
    Add,
    Binary,
    Call,
    Div,
    Equal,
    Expression,
    Greater,
    GreaterEqual,
    Input,
    Less,
    LessEqual,
    Mul,
    Neg,
    NotEqual,
    Number,
    Pow,
    Sub,
)
from converter.lambdas.known_functions import FUNCTIONS, Function

_OPERATORS: Mapping[type[Binary], str] = {
    Add: "add",
    Sub: "subtract",
    Mul: "multiply",
    Div: "divide",
    Pow: "power",
    Less: "less",
    LessEqual: "less_equal",
    Equal: "equal",
    NotEqual: "not_equal",
    Greater: "greater",
    GreaterEqual: "greater_equal",
}
_COMPARISONS = frozenset({"less", "less_equal", "equal", "not_equal", "greater", "greater_equal"})
_LOGICAL = frozenset({"logical_and", "logical_or", "logical_not"})
_MOST_LEVELS = 60  # expressions are computed and printed recursively


def operations(expression: Expression) -> Expression:
    """Rewrite an expression with ``Input``, ``Number`` and calls of operations only.

    Raises:
        LambdaUnreadableError: It calls a function that is not known to be elementwise, or with unknown arguments;
            or it does not depend on x, or gives truth values or integers.
    """
    written = _written(expression, 0)
    if _is_truth(written):
        raise LambdaUnreadableError("it gives truth values, not numbers")
    if not _depends(written):
        raise LambdaUnreadableError("it does not depend on its input")
    if _is_integer(written):
        raise LambdaUnreadableError("it gives integers; write its numbers with a point")
    return written


def compute(written: Expression, x: Any, functions: Mapping[str, Callable[..., Any]]) -> Any:  # noqa: ANN401  whatever the functions compute with
    """Compute an expression that ``operations`` returned.

    Args:
        written: The expression.
        x: The value of its input.
        functions: The function that computes each operation.
    """
    match written:
        case Input():
            return x
        case Number(value):
            return float(value)
        case Call(operation, arguments):
            return functions[operation](*(compute(argument, x, functions) for argument in arguments))
    raise TypeError(f"{written} is not written with operations")


def _written(expression: Expression, level: int) -> Expression:
    if level > _MOST_LEVELS:
        raise LambdaUnreadableError(f"it is nested deeper than {_MOST_LEVELS} levels")
    match expression:
        case Neg(operand):
            made = Call("negative", (_written(operand, level + 1),))
        case Binary(left, right):
            sides = _written(left, level + 1), _written(right, level + 1)
            made = Call(_OPERATORS[type(expression)], sides)
        case Call(name):
            function = FUNCTIONS.get(name)
            if function is None:
                raise LambdaUnreadableError(f"{name!r} is not known to work on each element by itself")
            arguments = tuple(_written(argument, level + 1) for argument in _in_order(expression, function))
            if name.startswith("math.") and any(map(_depends, arguments)):
                raise LambdaUnreadableError(f"{name!r} takes numbers, not the layer's input")
            made = Call(function.operation, arguments)
        case _:
            return expression
    _require_kinds(made, expression)
    return made


def _in_order(call: Call, function: Function) -> tuple[Expression, ...]:
    """The arguments of a call in the order of the parameters, with the defaults of those that are not given."""
    names = function.parameters
    first_default = len(names) - len(function.defaults)
    found: dict[int, Expression] = dict(enumerate(call.arguments))
    for name, value in call.keywords:
        if name not in names:
            raise LambdaUnreadableError(f"the argument {name!r} of {call.function!r} is not known")
        if names.index(name) in found:
            raise LambdaUnreadableError(f"it gives {call.function!r} the argument {name!r} twice")
        found[names.index(name)] = value
    for number, default in enumerate(function.defaults, first_default):
        found.setdefault(number, Number(default))
    if sorted(found) != list(range(len(names))):
        given = len(call.arguments) + len(call.keywords)
        raise LambdaUnreadableError(f"what {call.function!r} does with {given} arguments is not known")
    return tuple(found[number] for number in range(len(names)))


def _require_kinds(call: Call, written_as: Expression) -> None:
    """Check that an operation gets truth values where it needs them, and numbers everywhere else."""
    if call.function in _LOGICAL:
        wanted = [True] * len(call.arguments)
    elif call.function == "where":
        wanted = [True, False, False]
    else:
        wanted = [False] * len(call.arguments)
    for argument, truth in zip(call.arguments, wanted, strict=True):
        if _is_truth(argument) != truth:
            takes = "a number for a truth value" if truth else "a truth value for a number"
            raise LambdaUnreadableError(f"it takes {takes} in {written_as}")


def _is_truth(written: Expression) -> bool:
    return isinstance(written, Call) and written.function in _COMPARISONS | _LOGICAL


def _depends(written: Expression) -> bool:
    """Whether the expression contains x."""
    if isinstance(written, Call):
        return any(map(_depends, written.arguments))
    return isinstance(written, Input)


def _is_integer(written: Expression) -> bool:
    """Whether the result consists of integers although x does not, as in a choice between integers."""
    if isinstance(written, Number):
        return isinstance(written.value, int)
    if isinstance(written, Input):
        return False
    assert isinstance(written, Call)  # noqa: S101  nothing else is left
    if written.function == "where":
        return all(map(_is_integer, written.arguments[1:]))
    return all(map(_is_integer, written.arguments)) and written.function != "divide"
