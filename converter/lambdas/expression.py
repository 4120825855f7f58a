"""Expression trees of lambdas: arithmetic, comparisons and function calls over one input.

``lambda x: x / (1 + tf.abs(x))`` is
``Div(Input(), Add(Number(1), Call("tf.abs", (Input(),))))``.

Expressions are compared by structure. ``str()`` formats them as Python code, with brackets around every operator.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Input:
    """The lambda's first argument, x."""

    def __str__(self) -> str:
        return "x"


@dataclass(frozen=True)
class Number:
    """A finite constant within the range of float64; an int where it was written as one."""

    value: float

    def __str__(self) -> str:
        text = repr(self.value).removesuffix(".0")
        return f"({text})" if text.startswith("-") else text


@dataclass(frozen=True)
class Call:
    """A call of a function.

    Attributes:
        function: Its dotted name as the lambda spells it: ``smooth_sigmoid``, ``tf.nn.sigmoid``.
        arguments: The positional arguments.
        keywords: The keyword arguments.
    """

    function: str
    arguments: tuple["Expression", ...]
    keywords: tuple[tuple[str, "Expression"], ...] = ()

    def __str__(self) -> str:
        given = [unbracketed(argument) for argument in self.arguments]
        given += [f"{name}={unbracketed(value)}" for name, value in self.keywords]
        return f"{self.function}({', '.join(given)})"


@dataclass(frozen=True)
class Neg:
    """-operand."""

    operand: "Expression"

    def __str__(self) -> str:
        return f"(-{self.operand})"


@dataclass(frozen=True)
class Binary:
    """A binary operation. Each subclass is one operator."""

    symbol: ClassVar[str]
    left: "Expression"
    right: "Expression"

    def __str__(self) -> str:
        return f"({self.left} {self.symbol} {self.right})"


class Add(Binary):
    """left + right."""

    symbol = "+"


class Sub(Binary):
    """left - right."""

    symbol = "-"


class Mul(Binary):
    """left * right."""

    symbol = "*"


class Div(Binary):
    """left / right."""

    symbol = "/"


class Pow(Binary):
    """left ** right."""

    symbol = "**"


class Less(Binary):
    """left < right."""

    symbol = "<"


class LessEqual(Binary):
    """left <= right."""

    symbol = "<="


class Equal(Binary):
    """left == right."""

    symbol = "=="


class NotEqual(Binary):
    """left != right."""

    symbol = "!="


class Greater(Binary):
    """left > right."""

    symbol = ">"


class GreaterEqual(Binary):
    """left >= right."""

    symbol = ">="


Arithmetic: TypeAlias = Add | Sub | Mul | Div | Pow
Comparison: TypeAlias = Less | LessEqual | Equal | NotEqual | Greater | GreaterEqual
Expression: TypeAlias = Input | Number | Call | Neg | Arithmetic | Comparison


def unbracketed(expression: Expression) -> str:
    """An expression as Python writes it, without brackets around the whole."""
    text = str(expression)
    return text[1:-1] if text.startswith("(") else text
