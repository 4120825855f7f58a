"""The stack of the symbolic execution: each method does what one kind of instruction does to it."""

from typing import NamedTuple, TypeVar

from converter.lambdas.argument_binding import Bound
from converter.lambdas.bytecode_version import BytecodeVersion
from converter.lambdas.code_object import SINCE_3_11, CodeObject
from converter.lambdas.errors import LambdaUnreadableError, damaged
from converter.lambdas.expression import Arithmetic, Call, Expression, Neg
from converter.lambdas.finite_number import as_number
from converter.lambdas.known_functions import CONSTANTS

_USES = "it uses"

_Item = TypeVar("_Item")


class _Name(NamedTuple):
    """A global, or an attribute of one, that has not been called yet."""

    dotted: str


class _Null:
    """The NULL that CPython pushes beside a function that is about to be called."""


class _Keywords(NamedTuple):
    """The names of the last arguments of a call."""

    names: tuple[str, ...]


class SymbolicStack:
    """The stack of one evaluation.

    Args:
        code: Holds the names and constants that instructions refer to.
        bound: Holds the values of its variables.
        version: The version of Python as whose bytecode it is read.

    Every method except ``result`` changes the stack as one kind of instruction does. Each raises
    ``LambdaUnreadableError`` if that instruction cannot be part of a readable expression.
    """

    def __init__(self, code: CodeObject, bound: Bound, version: BytecodeVersion) -> None:
        self._code = code
        self._bound = bound
        self._version = version
        self._items: list[Expression | _Name | _Null | _Keywords] = []
        self._keywords: tuple[str, ...] = ()

    def load_argument(self, variable: int) -> None:
        """Push the value of an argument."""
        self._items.append(_at(self._bound.arguments, variable))

    def load_captured(self, variable: int) -> None:
        """Push the value of a free variable."""
        before = len(self._code.arguments) if self._version.layout is SINCE_3_11 else 0
        if variable < before:
            raise damaged("it takes an argument for a free variable")
        self._items.append(_at(self._bound.captured, variable - before))

    def load_constant(self, index: int) -> None:
        """Push the constant of this index: a number, or the names of keyword arguments."""
        value = _at(self._code.constants, index)
        names = _keyword_names(value)
        if names:
            self._items.append(_Keywords(names))
        else:
            self.load_number(value)

    def load_number(self, value: object) -> None:
        """Push a number."""
        self._items.append(as_number(value, _USES))

    def load_name(self, index: int, *, called: bool = False) -> None:
        """Push the name of a global, with a NULL if the global is about to be called."""
        self._push_name(_at(self._code.names, index), called=called)

    def load_attribute(self, index: int, *, called: bool = False) -> None:
        """Replace the name on top by that of its attribute, with a NULL if the attribute is about to be called."""
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

    def combine(self, operator: type[Arithmetic]) -> None:
        """Replace the two topmost expressions by the arithmetic operation on them."""
        right = self._pop_expression()
        left = self._pop_expression()
        self._items.append(operator(left, right))

    def compare(self, comparison: int) -> None:
        """Replace the two topmost expressions by their comparison."""
        operator = self._version.comparisons.get(comparison)
        if operator is None:
            raise LambdaUnreadableError("it uses a comparison other than < <= == != > >=")
        right = self._pop_expression()
        left = self._pop_expression()
        self._items.append(operator(left, right))

    def name_keywords(self, index: int) -> None:
        """Remember the names of the last arguments of the next call."""
        names = _keyword_names(_at(self._code.constants, index))
        if not names or self._keywords:
            raise damaged("it names arguments that are not there")
        self._keywords = names

    def call_with_keywords(self, arguments: int, *, with_null: bool) -> None:
        """Replace a function, its arguments and the names of the last of them by the call."""
        top = self._pop()
        if not isinstance(top, _Keywords) or self._keywords:
            raise damaged("it names arguments that are not there")
        self._keywords = top.names
        self.call(arguments, with_null=with_null)

    def call(self, arguments: int, *, with_null: bool) -> None:
        """Replace a function and its arguments by the call."""
        given = [self._pop_expression() for _ in range(arguments)][::-1]
        names, self._keywords = self._keywords, ()
        if len(names) > arguments or len(set(names)) != len(names):
            raise damaged("it names arguments that are not there")
        if with_null and self._version.null_above:
            self._pop_null()
        function = self._pop()
        if not isinstance(function, _Name):
            raise LambdaUnreadableError("it calls something that is no named function")
        if with_null and not self._version.null_above:
            self._pop_null()
        positional = arguments - len(names)
        keywords = tuple(zip(names, given[positional:], strict=True))
        self._items.append(Call(function.dotted, tuple(given[:positional]), keywords))

    def result(self) -> Expression:
        """The expression that is left when the lambda returns."""
        returned = self._pop_expression()
        if self._items or self._keywords:
            raise damaged("it leaves something on the stack")
        return returned

    def _push_name(self, dotted: str, *, called: bool) -> None:
        if called and not self._version.null_above:
            self.push_null()
        self._items.append(_Name(dotted))
        if called and self._version.null_above:
            self.push_null()

    def _pop(self) -> Expression | _Name | _Null | _Keywords:
        if not self._items:
            raise damaged("it takes from an empty stack")
        return self._items.pop()

    def _pop_expression(self) -> Expression:
        item = self._pop()
        if isinstance(item, _Name):
            if item.dotted in CONSTANTS:
                return as_number(CONSTANTS[item.dotted], _USES)
            raise LambdaUnreadableError(f"it uses the value of {item.dotted!r}, which is not in the file")
        if isinstance(item, _Keywords):
            raise LambdaUnreadableError(f"{_USES} a constant that is no number")
        if isinstance(item, _Null):
            raise damaged("it takes a value that is not there")
        return item

    def _pop_null(self) -> None:
        if not isinstance(self._pop(), _Null):
            raise damaged("it calls a function that is not there")


def _keyword_names(value: object) -> tuple[str, ...]:
    """The names that a constant holds; none if it holds something else."""
    if not isinstance(value, tuple):
        return ()
    names = tuple(name for name in value if isinstance(name, str) and name.isidentifier())
    return names if len(names) == len(value) else ()


def _at(table: tuple[_Item, ...], index: int) -> _Item:
    if index >= len(table):
        raise damaged("it refers to what it does not have")
    return table[index]
