"""A stack of expressions, and the things that instructions do to it."""

import math
from typing import NamedTuple, TypeVar

from converter.lambdas.code_object import CodeObject
from converter.lambdas.expression import Add, Call, Div, Expression, Input, Mul, Neg, Number, Pow, Sub
from converter.lambdas.unreadable import LambdaUnreadableError, damaged

_SHOWN = 40  # characters of a text constant in a reason

_Item = TypeVar("_Item")


class _Name(NamedTuple):
    """A global, or an attribute of one, that has not been called yet."""

    dotted: str


class _Null:
    """What CPython pushes beside a function that is about to be called."""


class SymbolicStack:
    """The stack of one evaluation.

    Args:
        code: Holds the names and constants that instructions refer to.
        null_above: Whether the NULL of a call lies above the function rather than below it.

    Every method but ``result`` leaves it as one kind of instruction would; each raises
    ``LambdaUnreadableError`` where that instruction could not be meant as something readable.
    """

    def __init__(self, code: CodeObject, *, null_above: bool) -> None:
        self._code = code
        self._null_above = null_above
        self._items: list[Expression | _Name | _Null] = []

    def load_input(self, variable: int) -> None:
        """Push x, the only variable."""
        if variable != 0:
            raise damaged("it loads a variable that it does not have")
        self._items.append(Input())

    def load_constant(self, index: int) -> None:
        """Push the constant of this index, a number."""
        self.load_number(_at(self._code.constants, index))

    def load_number(self, value: object) -> None:
        """Push a number."""
        self._items.append(_number(value))

    def load_name(self, index: int, *, called: bool = False) -> None:
        """Push the global of this name, with a NULL if it is about to be called."""
        self._push_name(_at(self._code.names, index), called=called)

    def load_attribute(self, index: int, *, called: bool = False) -> None:
        """Replace the name on top by its attribute, with a NULL if it is about to be called."""
        attribute = _at(self._code.names, index)
        owner = self._pop()
        if not isinstance(owner, _Name):
            raise LambdaUnreadableError(f"it takes the attribute {attribute!r} of a value")
        self._push_name(f"{owner.dotted}.{attribute}", called=called)

    def push_null(self) -> None:
        """Push the NULL that accompanies a function."""
        self._items.append(_Null())

    def negate(self) -> None:
        """Replace the top by its negative."""
        self._items.append(Neg(self._pop_expression()))

    def combine(self, operator: type[Add | Sub | Mul | Div | Pow]) -> None:
        """Replace the two on top by their combination."""
        right = self._pop_expression()
        left = self._pop_expression()
        self._items.append(operator(left, right))

    def call(self, arguments: int, *, with_null: bool) -> None:
        """Replace a function and its argument by the call."""
        if arguments != 1:
            raise LambdaUnreadableError(f"it calls a function with {arguments} arguments, not one")
        argument = self._pop_expression()
        if with_null and self._null_above:
            self._pop_null()
        function = self._pop()
        if not isinstance(function, _Name):
            raise LambdaUnreadableError("it calls something that is no named function")
        if with_null and not self._null_above:
            self._pop_null()
        self._items.append(Call(function.dotted, argument))

    def result(self) -> Expression:
        """The expression that is left when the lambda returns."""
        returned = self._pop_expression()
        if self._items:
            raise damaged("it leaves something on the stack")
        return returned

    def _push_name(self, dotted: str, *, called: bool) -> None:
        if called and not self._null_above:
            self.push_null()
        self._items.append(_Name(dotted))
        if called and self._null_above:
            self.push_null()

    def _pop(self) -> Expression | _Name | _Null:
        if not self._items:
            raise damaged("it takes from an empty stack")
        return self._items.pop()

    def _pop_expression(self) -> Expression:
        item = self._pop()
        if isinstance(item, _Name):
            raise LambdaUnreadableError(f"it uses the value of {item.dotted!r}, which is not in the file")
        if isinstance(item, _Null):
            raise damaged("it takes a value that is not there")
        return item

    def _pop_null(self) -> None:
        if not isinstance(self._pop(), _Null):
            raise damaged("it calls a function that is not there")


def _at(table: tuple[_Item, ...], index: int) -> _Item:
    if index >= len(table):
        raise damaged("it refers to what it does not have")
    return table[index]


def _number(value: object) -> Number:
    if isinstance(value, str):
        raise LambdaUnreadableError(f"it uses the text {value[:_SHOWN]!r}")
    if value is None or isinstance(value, bool):
        raise LambdaUnreadableError(f"it uses the constant {value}")
    if not isinstance(value, int | float):
        raise LambdaUnreadableError("it uses a constant that is no number")
    try:
        number = float(value)
    except OverflowError:
        raise LambdaUnreadableError("it holds a number too large for float64") from None
    if not math.isfinite(number):
        raise LambdaUnreadableError(f"it uses the constant {number}")
    return Number(number)
