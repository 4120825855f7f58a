"""What distinguishes the bytecode of one CPython version from that of another."""

from collections.abc import Mapping
from typing import NamedTuple

from converter.lambdas.expression import (
    Comparison,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    NotEqual,
)
from converter.lambdas.marshal_reader import Layout
from converter.lambdas.stack_operations import Operation

# In the order in which every version numbers them.
_COMPARISONS: tuple[type[Comparison], ...] = (Less, LessEqual, Equal, NotEqual, Greater, GreaterEqual)

# Since 3.12 the low bits repeat the number as a mask: 1 unordered, 2 less, 4 greater, 8 equal.
_MASKS = (2, 2 | 8, 8, 1 | 2 | 4, 4, 4 | 8)


def comparisons_by_argument(shift: int) -> Mapping[int, type[Comparison]]:
    """The argument of ``COMPARE`` for each comparison, which newer versions shift to the left."""
    return {
        number << shift | (_MASKS[number] if shift else 0): comparison
        for number, comparison in enumerate(_COMPARISONS)
    }


class BytecodeVersion(NamedTuple):
    """The bytecode of one range of CPython versions.

    Attributes:
        versions: The range, for a reader of the tables.
        layout: How a code object is marshalled.
        prologue: The bytes with which every function begins.
        null_above: Whether the NULL of a call lies above the function rather than below it.
        copies_captured: The opcode that a function with free variables has before the prologue.
        comparisons: By the argument of ``COMPARE``.
        instructions: By opcode: what it does, and how many empty two-byte cache entries follow it.
    """

    versions: str
    layout: Layout
    prologue: bytes
    null_above: bool
    copies_captured: int | None
    comparisons: Mapping[int, type[Comparison]]
    instructions: Mapping[int, tuple[Operation, int]]
