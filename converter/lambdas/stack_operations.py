"""The stack operations that a lambda's bytecode may consist of, independent of the version of CPython."""

from collections.abc import Mapping
from enum import Enum, auto


class Operation(Enum):
    """What an instruction does to the stack. ``bytecode_evaluator`` has one function for each."""

    NOTHING = auto()
    LOAD_ARGUMENT = auto()  # argument: the number of the variable, 0 for x
    LOAD_ARGUMENT_TWICE = auto()  # argument: two such numbers in one byte
    # Argument: the number of a free variable; since 3.11 the arguments are numbered before them.
    LOAD_CAPTURED = auto()
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
    FLOOR_DIVIDE = auto()  # this and the next three are refused, with a reason that names them
    REMAINDER = auto()
    MATRIX_MULTIPLY = auto()
    SUBSCRIPT = auto()
    BINARY = auto()  # argument: the operator, see BINARY_OPERATORS
    COMPARE = auto()  # argument: the comparison, see ``BytecodeVersion``
    # Argument: index of a tuple with the names of the last arguments of the next call.
    NAME_KEYWORDS = auto()
    CALL_FUNCTION = auto()  # argument: how many arguments lie above the function
    CALL_FUNCTION_KEYWORDS = auto()  # likewise, below a tuple of names for the last of them
    CALL = auto()  # argument: how many arguments lie above the function and a NULL
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
"""By the argument of ``BINARY``: the numbers are the same in every version that has ``BINARY_OP``."""
