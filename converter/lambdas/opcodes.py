"""The instructions that are understood, as each version of CPython numbers them.

The numbers are facts of CPython (``Lib/opcode.py``, later ``Include/opcode_ids.h``); they stand here as
data because the Python that wrote a file is not the one that reads it. An instruction that is not in a
table is not understood, whatever it does.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from converter.lambdas.code_object import BEFORE_3_11, SINCE_3_11
from converter.lambdas.marshal_reader import Layout


class Operation(Enum):
    """What an instruction does to the stack. The evaluator has one method for each."""

    NOTHING = auto()
    LOAD_INPUT = auto()  # argument: the number of the variable, 0
    LOAD_INPUT_TWICE = auto()  # argument: two such numbers in one byte
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
    BINARY = auto()  # argument: the operator, see BINARY_OPERATORS
    CALL_FUNCTION = auto()  # argument: how many arguments lie on the function
    CALL = auto()  # likewise, on the function and a NULL
    RETURN = auto()
    RETURN_CONSTANT = auto()  # argument: index of a constant


BINARY_OPERATORS: Mapping[int, Operation] = {
    0: Operation.ADD,
    5: Operation.MULTIPLY,
    8: Operation.POWER,
    10: Operation.SUBTRACT,
    11: Operation.DIVIDE,
}


class Dialect(NamedTuple):
    """The bytecode of one range of Python versions.

    Attributes:
        versions: Which, for a reader of this file.
        layout: How a code object is marshalled.
        prologue: The bytes that every function begins with.
        null_above: Whether the NULL of a call lies above the function rather than below it.
        instructions: By number: what it does, and how many empty two-byte cache entries follow it.
    """

    versions: str
    layout: Layout
    prologue: bytes
    null_above: bool
    instructions: Mapping[int, tuple[Operation, int]]


PYTHON_3_8_TO_3_10 = Dialect(
    versions="3.8 to 3.10",
    layout=BEFORE_3_11,
    prologue=b"",
    null_above=False,
    instructions={
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        19: (Operation.POWER, 0),  # BINARY_POWER
        20: (Operation.MULTIPLY, 0),  # BINARY_MULTIPLY
        23: (Operation.ADD, 0),  # BINARY_ADD
        24: (Operation.SUBTRACT, 0),  # BINARY_SUBTRACT
        27: (Operation.DIVIDE, 0),  # BINARY_TRUE_DIVIDE
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE, 0),  # LOAD_ATTR
        116: (Operation.LOAD_GLOBAL, 0),
        124: (Operation.LOAD_INPUT, 0),  # LOAD_FAST
        131: (Operation.CALL_FUNCTION, 0),
        160: (Operation.LOAD_METHOD, 0),
        161: (Operation.CALL, 0),  # CALL_METHOD
    },
)

PYTHON_3_11 = Dialect(
    versions="3.11",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    instructions={
        2: (Operation.PUSH_NULL, 0),
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE, 4),  # LOAD_ATTR
        116: (Operation.LOAD_GLOBAL_MARKED, 5),  # LOAD_GLOBAL
        122: (Operation.BINARY, 1),  # BINARY_OP
        124: (Operation.LOAD_INPUT, 0),  # LOAD_FAST
        160: (Operation.LOAD_METHOD, 10),
        166: (Operation.NOTHING, 1),  # PRECALL: the CALL follows and says as much
        171: (Operation.CALL, 4),
    },
)

PYTHON_3_12 = Dialect(
    versions="3.12",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    instructions={
        2: (Operation.PUSH_NULL, 0),
        9: (Operation.NOTHING, 0),  # NOP
        11: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        83: (Operation.RETURN, 0),  # RETURN_VALUE
        100: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        106: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        116: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        121: (Operation.RETURN_CONSTANT, 0),  # RETURN_CONST
        122: (Operation.BINARY, 1),  # BINARY_OP
        124: (Operation.LOAD_INPUT, 0),  # LOAD_FAST
        171: (Operation.CALL, 3),
    },
)

PYTHON_3_13 = Dialect(
    versions="3.13",
    layout=SINCE_3_11,
    prologue=bytes((149, 0)),  # RESUME
    null_above=True,
    instructions={
        30: (Operation.NOTHING, 0),  # NOP
        34: (Operation.PUSH_NULL, 0),
        36: (Operation.RETURN, 0),  # RETURN_VALUE
        42: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        45: (Operation.BINARY, 1),  # BINARY_OP
        53: (Operation.CALL, 3),
        82: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        83: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        85: (Operation.LOAD_INPUT, 0),  # LOAD_FAST
        88: (Operation.LOAD_INPUT_TWICE, 0),  # LOAD_FAST_LOAD_FAST
        91: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        103: (Operation.RETURN_CONSTANT, 0),  # RETURN_CONST
    },
)

PYTHON_3_14 = Dialect(
    versions="3.14",
    layout=SINCE_3_11,
    prologue=bytes((128, 0)),  # RESUME
    null_above=True,
    instructions={
        27: (Operation.NOTHING, 0),  # NOP
        33: (Operation.PUSH_NULL, 0),
        35: (Operation.RETURN, 0),  # RETURN_VALUE
        41: (Operation.NEGATE, 0),  # UNARY_NEGATIVE
        44: (Operation.BINARY, 5),  # BINARY_OP
        52: (Operation.CALL, 3),
        80: (Operation.LOAD_ATTRIBUTE_MARKED, 9),  # LOAD_ATTR
        82: (Operation.LOAD_CONSTANT, 0),  # LOAD_CONST
        84: (Operation.LOAD_INPUT, 0),  # LOAD_FAST
        86: (Operation.LOAD_INPUT, 0),  # LOAD_FAST_BORROW
        87: (Operation.LOAD_INPUT_TWICE, 0),  # LOAD_FAST_BORROW_LOAD_FAST_BORROW
        89: (Operation.LOAD_INPUT_TWICE, 0),  # LOAD_FAST_LOAD_FAST
        92: (Operation.LOAD_GLOBAL_MARKED, 4),  # LOAD_GLOBAL
        94: (Operation.LOAD_SMALL_INTEGER, 0),  # LOAD_SMALL_INT
    },
)

DIALECTS = (PYTHON_3_8_TO_3_10, PYTHON_3_11, PYTHON_3_12, PYTHON_3_13, PYTHON_3_14)
