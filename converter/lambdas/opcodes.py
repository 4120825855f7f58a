"""The opcodes that are understood, as each version of CPython numbers them.

The numbers are facts of CPython (``Lib/opcode.py``, later ``Include/opcode_ids.h``). They are kept as data because
the Python that wrote a file is not the one that reads it. An opcode that is not in a table is refused.
"""

from converter.lambdas.bytecode_version import BytecodeVersion, comparisons_by_argument
from converter.lambdas.code_object import BEFORE_3_11, SINCE_3_11
from converter.lambdas.stack_operations import Operation

PYTHON_3_8_TO_3_10 = BytecodeVersion(
    versions="3.8 to 3.10",
    layout=BEFORE_3_11,
    prologue=b"",
    null_above=False,
    copies_captured=None,
    comparisons=comparisons_by_argument(0),
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

PYTHON_3_11 = BytecodeVersion(
    versions="3.11",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    copies_captured=149,  # COPY_FREE_VARS
    comparisons=comparisons_by_argument(0),
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

PYTHON_3_12 = BytecodeVersion(
    versions="3.12",
    layout=SINCE_3_11,
    prologue=bytes((151, 0)),  # RESUME
    null_above=False,
    copies_captured=149,  # COPY_FREE_VARS
    comparisons=comparisons_by_argument(4),
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

PYTHON_3_13 = BytecodeVersion(
    versions="3.13",
    layout=SINCE_3_11,
    prologue=bytes((149, 0)),  # RESUME
    null_above=True,
    copies_captured=62,  # COPY_FREE_VARS
    comparisons=comparisons_by_argument(5),
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

PYTHON_3_14 = BytecodeVersion(
    versions="3.14",
    layout=SINCE_3_11,
    prologue=bytes((128, 0)),  # RESUME
    null_above=True,
    copies_captured=60,  # COPY_FREE_VARS
    comparisons=comparisons_by_argument(5),
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

BYTECODE_VERSIONS = (PYTHON_3_8_TO_3_10, PYTHON_3_11, PYTHON_3_12, PYTHON_3_13, PYTHON_3_14)
