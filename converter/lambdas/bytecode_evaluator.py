"""Executes a lambda's bytecode symbolically: the stack holds expressions instead of values.

``LOAD_FAST 0`` pushes ``Input()``; ``LOAD_GLOBAL tf``, ``LOAD_ATTR abs`` make the name ``tf.abs``; a call
of a name with expressions makes ``Call("tf.abs", ...)``. No name is looked up and no code is run.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from converter.lambdas.argument_binding import Stored, bind
from converter.lambdas.bytecode_version import BytecodeVersion
from converter.lambdas.code_object import CodeObject
from converter.lambdas.errors import LambdaUnreadableError, damaged
from converter.lambdas.expression import Add, Div, Expression, Mul, Pow, Sub
from converter.lambdas.stack_operations import BINARY_OPERATORS, Operation
from converter.lambdas.symbolic_stack import SymbolicStack

_MAX_INSTRUCTIONS = 200  # also bounds the depth of an expression; a known activation needs under 30
_BEYOND = "it does something other than arithmetic (+ - * / **), comparisons and calls of named functions"


def evaluate(code: CodeObject, version: BytecodeVersion, stored: Stored) -> Expression:
    """Turn a lambda's bytecode into the expression that it returns.

    Args:
        code: The lambda.
        version: The version of Python as whose bytecode it is read.
        stored: The values of its variables.

    Raises:
        LambdaUnreadableError: It holds an instruction that is not supported, or an impossible sequence of
            instructions. ``progress`` is the offset that was reached.
    """
    stack = SymbolicStack(code, bind(code, stored), version)
    result = None
    for instruction in _instructions(code, version):
        try:
            if result is not None:
                raise damaged("it goes on after it returns")
            result = _EFFECTS[instruction.operation](stack, instruction.argument)
        except LambdaUnreadableError as error:
            understood = error.progress >= 0
            raise LambdaUnreadableError(error.reason, instruction.offset + understood) from None
    if result is None:
        raise damaged("it does not return")
    return result


class _Instruction(NamedTuple):
    offset: int
    operation: Operation
    argument: int


def _instructions(code: CodeObject, version: BytecodeVersion) -> Iterator[_Instruction]:
    bytecode, prologue = code.bytecode, version.prologue
    if code.captured and version.copies_captured is not None:
        prologue = bytes((version.copies_captured, len(code.captured))) + prologue
    if not bytecode.startswith(prologue):
        raise LambdaUnreadableError("it was written by a version of Python that is not known here")
    offset = len(prologue)
    for _ in range(_MAX_INSTRUCTIONS):
        if offset == len(bytecode):
            return
        operation, caches = version.instructions.get(bytecode[offset], (None, 0))
        if operation is None:
            raise LambdaUnreadableError(_BEYOND, progress=offset)
        end = offset + 2 + 2 * caches
        # A cache entry is empty in a file. If it is not, these are instructions of another version.
        if end > len(bytecode) or any(bytecode[offset + 2 : end]):
            raise LambdaUnreadableError("its bytecode is damaged: an instruction is cut off", offset)
        yield _Instruction(offset, operation, bytecode[offset + 1])
        offset = end
    raise LambdaUnreadableError(f"it is longer than {_MAX_INSTRUCTIONS} instructions", progress=offset)


_Effect = Callable[[SymbolicStack, int], Expression | None]


def _load_twice(stack: SymbolicStack, variables: int) -> None:
    stack.load_argument(variables >> 4)
    stack.load_argument(variables & 15)


def _binary(stack: SymbolicStack, operator: int) -> None:
    operation = BINARY_OPERATORS.get(operator)
    if operation is None:
        raise LambdaUnreadableError(_BEYOND)
    _EFFECTS[operation](stack, operator)


def _refused(operator: str) -> _Effect:
    def refuse(_: SymbolicStack, __: int) -> None:
        raise LambdaUnreadableError(f"it uses the operator {operator}")

    return refuse


def _return_constant(stack: SymbolicStack, index: int) -> Expression:
    stack.load_constant(index)
    return stack.result()


_EFFECTS: Mapping[Operation, _Effect] = {
    Operation.NOTHING: lambda _stack, _argument: None,
    Operation.LOAD_ARGUMENT: SymbolicStack.load_argument,
    Operation.LOAD_ARGUMENT_TWICE: _load_twice,
    Operation.LOAD_CAPTURED: SymbolicStack.load_captured,
    Operation.LOAD_CONSTANT: SymbolicStack.load_constant,
    Operation.LOAD_SMALL_INTEGER: SymbolicStack.load_number,
    Operation.LOAD_GLOBAL: SymbolicStack.load_name,
    Operation.LOAD_GLOBAL_MARKED: lambda stack, twice: stack.load_name(twice >> 1, called=bool(twice & 1)),
    Operation.LOAD_ATTRIBUTE: SymbolicStack.load_attribute,
    Operation.LOAD_ATTRIBUTE_MARKED: lambda stack, twice: stack.load_attribute(
        twice >> 1, called=bool(twice & 1)
    ),
    Operation.LOAD_METHOD: lambda stack, index: stack.load_attribute(index, called=True),
    Operation.PUSH_NULL: lambda stack, _argument: stack.push_null(),
    Operation.NEGATE: lambda stack, _argument: stack.negate(),
    Operation.ADD: lambda stack, _argument: stack.combine(Add),
    Operation.SUBTRACT: lambda stack, _argument: stack.combine(Sub),
    Operation.MULTIPLY: lambda stack, _argument: stack.combine(Mul),
    Operation.DIVIDE: lambda stack, _argument: stack.combine(Div),
    Operation.POWER: lambda stack, _argument: stack.combine(Pow),
    Operation.BINARY: _binary,
    Operation.FLOOR_DIVIDE: _refused("//"),
    Operation.REMAINDER: _refused("%"),
    Operation.MATRIX_MULTIPLY: _refused("@"),
    Operation.SUBSCRIPT: _refused("[]"),
    Operation.COMPARE: SymbolicStack.compare,
    Operation.NAME_KEYWORDS: SymbolicStack.name_keywords,
    Operation.CALL_FUNCTION: lambda stack, count: stack.call(count, with_null=False),
    Operation.CALL_FUNCTION_KEYWORDS: lambda stack, count: stack.call_with_keywords(count, with_null=False),
    Operation.CALL: lambda stack, count: stack.call(count, with_null=True),
    Operation.CALL_KEYWORDS: lambda stack, count: stack.call_with_keywords(count, with_null=True),
    Operation.RETURN: lambda stack, _argument: stack.result(),
    Operation.RETURN_CONSTANT: _return_constant,
}
