"""The expressions that a lambda can turn out to be: arithmetic and calls over one input.

``lambda x: x / (1 + tf.abs(x))`` is
``Div(Input(), Add(Number(1.0), Call("tf.abs", Input())))``.

Expressions are compared by structure, and ``str()`` writes them as Python would, fully bracketed.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Input:
    """The lambda's only argument, x."""

    def __str__(self) -> str:
        return "x"


@dataclass(frozen=True)
class Number:
    """A finite constant, as a float64 whatever it was written as."""

    value: float

    def __str__(self) -> str:
        text = repr(self.value).removesuffix(".0")
        return f"({text})" if text.startswith("-") else text


@dataclass(frozen=True)
class Call:
    """A function called with one argument.

    Attributes:
        function: Its dotted name as the lambda spells it: ``smooth_sigmoid``, ``tf.nn.sigmoid``.
        argument: What it is called with.
    """

    function: str
    argument: "Expression"

    def __str__(self) -> str:
        argument = str(self.argument)
        return f"{self.function}{argument}" if argument.startswith("(") else f"{self.function}({argument})"


@dataclass(frozen=True)
class Neg:
    """-operand."""

    operand: "Expression"

    def __str__(self) -> str:
        return f"(-{self.operand})"


@dataclass(frozen=True)
class Binary:
    """left, an operator, right. The subclasses are the operators."""

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


Expression: TypeAlias = Input | Number | Call | Neg | Add | Sub | Mul | Div | Pow
