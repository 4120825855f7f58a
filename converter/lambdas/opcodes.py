"""The instructions that are understood, as each version of CPython numbers them.

The numbers are facts of CPython (``Lib/opcode.py``, later ``Include/opcode_ids.h``); they stand here as
data because the Python that wrote a file is not the one that reads it. An instruction that is not in a
table is not understood, whatever it does.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from converter.lambdas.code_object import BEFORE_3_11, SINCE_3_11
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


class Operation(Enum):
    """What an instruction does to the stack. The evaluator has one method for each."""

    NOTHING = auto()
    LOAD_ARGUMENT = auto()  # argument: the number of the variable, 0 for x
    LOAD_ARGUMENT_TWICE = auto()  # argument: two such numbers in one byte
    LOAD_CAPTURED = (
        auto()
    )  # argument: the number of a free variable; since 3.11 the arguments count before them
    LOAD_CONSTANT = auto()  # argument: index of a constant
    LOAD_SMALL_INTEGER = auto()  # argument: the integer itself
    LOAD_GLOBAL = auto()  # argument: index of a name
    LOAD_GLOBAL_MARKED = auto()  # argument: twice the index, plus 1 if NULL is pushed as well
    LOAD_ATTRIBUTE = auto()  # argument: index of a name
    LOAD_ATTRIBUTE_MARKED = auto()  # argument: twice the index, plus 1 if it is to be called
    LOAD_METHOD = auto()  # argument: index of a name; NULL is pushed as well
    PUSH_NULL = auto()
    NEGATE = auto()
    ADD = auto()
    SUBTRACT = auto()
    MULTIPLY = auto()
    DIVIDE = auto()
    POWER = auto()
    FLOOR_DIVIDE = auto()  # this and the next three are known for the reason of a refusal
    REMAINDER = auto()
    MATRIX_MULTIPLY = auto()
    SUBSCRIPT = auto()
    BINARY = auto()  # argument: the operator, see BINARY_OPERATORS
    COMPARE = auto()  # argument: the comparison, see the dialect
    NAME_KEYWORDS = (
        auto()
    )  # argument: index of a tuple of names for the last arguments of the call that follows
    CALL_FUNCTION = auto()  # argument: how many arguments lie on the function
    CALL_FUNCTION_KEYWORDS = auto()  # likewise, below a tuple of names for the last of them
    CALL = auto()  # argument: how many arguments lie on the function and a NULL
    CALL_KEYWORDS = auto()  # likewise, below a tuple of names for the last of them
    RETURN = auto()
    RETURN_CONSTANT = auto()  # argument: index of a constant


BINARY_OPERATORS: Mapping[int, Operation] = {
    0: Operation.ADD,
    2: Operation.FLOOR_DIVIDE,
    4: Operation.MATRIX_MULTIPLY,
    5: Operation.MULTIPLY,
    6: Operation.REMAINDER,
    8: Operation.POWER,
    10: Operation.SUBTRACT,
    11: Operation.DIVIDE,
    26: Operation.SUBSCRIPT,
}

# As every version numbers them.
_COMPARISONS: tuple[type[Comparison], ...] = (Less, LessEqual, Equal, NotEqual, Greater, GreaterEqual)

# Since 3.12 the low bits repeat the number as a mask: 1 unordered, 2 less, 4 greater, 8 equal.
_MASKS = (2, 2 | 8, 8, 1 | 2 | 4, 4, 4 | 8)


def _comparisons(shift: int) -> Mapping[int, type[Comparison]]:
    return {
        number << shift | (_MASKS[number] if shift else 0): comparison
        for number, comparison in enumerate(_COMPARISONS)
    }


class Dialect(NamedTuple):
    """The bytecode of one range of Python versions.

    Attributes:
        versions: Which, for a reader of this file.
        layout: How a code object is marshalled.
        prologue: The bytes that every function begins with.
        null_above: Whether the NULL of a call lies above the function rather than below it.
        copies_captured: The instruction that a function with free variables has before the prologue.
        comparisons: By the argument of ``COMPARE``.
        instructions: By number: what it does, and how many empty two-byte cache entries follow it.
    """

    versions: str
    layout: Layout
    prologue: bytes
    null_above: bool
    copies_captured: int | None
    comparisons: Mapping[int, type[Comparison]]
    instructions: Mapping[int, tuple[Operation, int]]


PYTHON_3_8_TO_3_10 = Dialect(
    versions="3.8 to 3.10",
    layout=BEFORE_3_11,
    prologue=b"",
    null_above=False,
    copies_captured=None,
    comparisons=_comparisons(0),
    instructions={
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        16: (Operation.MATRIX_MULTIPLY, 0),  # BINARY_MATRIX_MULTIPLY
        19: (Operation.POWER, 0),  # BINARY_POWER
        20: (Operation.MULTIPLY, 0),  # BINARY_MULTIPLY
        22: (Operation.REMAINDER, 0),  # BINARY_MODULO
        23: (Operation.ADD, 0),  # BINARY_ADD
        24: (Operation.SUBTRACT, 0),  # BINARY_SUBTRACT
        25: (Operation.SUBSCRIPT, 0),  # BINARY_SUBSCR
        26: (Operation.FLOOR_DIVIDE, 0),  # BINARY_FLOOR_DIVIDE
        27: (Operation.DIVIDE, 0),  # BINARY_TRUE_DIVIDE
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE, 0),  # LOAD_ATTR
        107: (Operation.COMPARE, 0),  # COMPARE_OP
        116: (Operation.LOAD_GLOBAL, 0),
        124: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST
        131: (Operation.CALL_FUNCTION, 0),
        136: (Operation.LOAD_CAPTURED, 0),  # LOAD_DEREF
        141: (Operation.CALL_FUNCTION_KEYWORDS, 0),  # CALL_FUNCTION_KW
        160: (Operation.LOAD_METHOD, 0),
        161: (Operation.CALL, 0),  # CALL_METHOD
    },
)

PYTHON_3_11 = Dialect(
    versions="3.11",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    copies_captured=149,  # COPY_FREE_VARS
    comparisons=_comparisons(0),
    instructions={
        2: (Operation.PUSH_NULL, 0),
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        25: (Operation.SUBSCRIPT, 4),  # BINARY_SUBSCR
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE, 4),  # LOAD_ATTR
        107: (Operation.COMPARE, 2),  # COMPARE_OP
        116: (Operation.LOAD_GLOBAL_MARKED, 5),  # LOAD_GLOBAL
        122: (Operation.BINARY, 1),  # BINARY_OP
        124: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST
        137: (Operation.LOAD_CAPTURED, 0),  # LOAD_DEREF
        160: (Operation.LOAD_METHOD, 10),
        166: (Operation.NOTHING, 1),  # PRECALL: the CALL follows and says as much
        171: (Operation.CALL, 4),
        172: (Operation.NAME_KEYWORDS, 0),  # KW_NAMES
    },
)

PYTHON_3_12 = Dialect(
    versions="3.12",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    copies_captured=149,  # COPY_FREE_VARS
    comparisons=_comparisons(4),
    instructions={
        2: (Operation.PUSH_NULL, 0),
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        25: (Operation.SUBSCRIPT, 1),  # BINARY_SUBSCR
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        107: (Operation.COMPARE, 1),  # COMPARE_OP
        116: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        121: (Operation.RETURN_CONSTANT, 0),  # RETURN_CONST
        122: (Operation.BINARY, 1),  # BINARY_OP
        124: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST
        137: (Operation.LOAD_CAPTURED, 0),  # LOAD_DEREF
        171: (Operation.CALL, 3),
        172: (Operation.NAME_KEYWORDS, 0),  # KW_NAMES
    },
)

PYTHON_3_13 = Dialect(
    versions="3.13",
    layout=SINCE_3_11,
    prologue=bytes((149, 0)),  # RESUME
    null_above=True,
    copies_captured=62,  # COPY_FREE_VARS
    comparisons=_comparisons(5),
    instructions={
        5: (Operation.SUBSCRIPT, 1),  # BINARY_SUBSCR
        30: (Operation.NOTHING, 0),  # NOP
        34: (Operation.PUSH_NULL, 0),
        36: (Operation.RETURN, 0),  # RETURN_VALUE
        42: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        45: (Operation.BINARY, 1),  # BINARY_OP
        53: (Operation.CALL, 3),
        57: (Operation.CALL_KEYWORDS, 0),  # CALL_KW
        58: (Operation.COMPARE, 1),  # COMPARE_OP
        82: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        83: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        84: (Operation.LOAD_CAPTURED, 0),  # LOAD_DEREF
        85: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST
        88: (Operation.LOAD_ARGUMENT_TWICE, 0),  # LOAD_FAST_LOAD_FAST
        91: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        103: (Operation.RETURN_CONSTANT, 0),  # RETURN_CONST
    },
)

PYTHON_3_14 = Dialect(
    versions="3.14",
    layout=SINCE_3_11,
    prologue=bytes((128, 0)),  # RESUME
    null_above=True,
    copies_captured=60,  # COPY_FREE_VARS
    comparisons=_comparisons(5),
    instructions={
        27: (Operation.NOTHING, 0),  # NOP
        33: (Operation.PUSH_NULL, 0),
        35: (Operation.RETURN, 0),  # RETURN_VALUE
        41: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        44: (Operation.BINARY, 5),  # BINARY_OP
        52: (Operation.CALL, 3),
        55: (Operation.CALL_KEYWORDS, 3),  # CALL_KW
        56: (Operation.COMPARE, 1),  # COMPARE_OP
        80: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        82: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        83: (Operation.LOAD_CAPTURED, 0),  # LOAD_DEREF
        84: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST
        86: (Operation.LOAD_ARGUMENT, 0),  # LOAD_FAST_BORROW
        87: (Operation.LOAD_ARGUMENT_TWICE, 0),  # LOAD_FAST_BORROW_LOAD_FAST_BORROW
        89: (Operation.LOAD_ARGUMENT_TWICE, 0),  # LOAD_FAST_LOAD_FAST
        92: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        94: (Operation.LOAD_SMALL_INTEGER, 0),  # LOAD_SMALL_INT
    },
)

DIALECTS = (PYTHON_3_8_TO_3_10, PYTHON_3_11, PYTHON_3_12, PYTHON_3_13, PYTHON_3_14)
