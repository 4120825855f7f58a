"""Reads a code object and checks that it is a simple function: named arguments, free variables, no locals."""

from typing import NamedTuple, TypeVar

from converter.lambdas.errors import LambdaUnreadableError, damaged
from converter.lambdas.marshal_reader import Layout, MarshalledCode, read_marshal

BEFORE_3_11 = Layout(
    integers=("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags"),
    objects=("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name"),
    tables=("lnotab",),
)
SINCE_3_11 = Layout(
    integers=("argcount", "posonlyargcount", "kwonlyargcount", "stacksize", "flags"),
    objects=("code", "consts", "names", "localsplusnames", "localspluskinds", "filename", "name", "qualname"),
    tables=("linetable", "exceptiontable"),
)

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_SUSPENDS = 0x20 | 0x80 | 0x100 | 0x200  # generators and coroutines
_CELL, _FREE = 0x40, 0x80  # bits of a variable's kind, since 3.11
_SHARES = "it shares a variable with a function of its own"
_MAX_NAME = 100

_T = TypeVar("_T")


class CodeObject(NamedTuple):
    """The relevant fields of a code object that has been checked.

    Attributes:
        bytecode: The instructions.
        constants: The constants, which instructions load by index.
        names: The names of globals and attributes, to which instructions refer by index; all are identifiers.
        arguments: The names of the arguments, with the keyword-only ones last.
        keyword_only: How many arguments are keyword-only.
        captured: The names of the free variables, in the order of the closure.
    """

    bytecode: bytes
    constants: tuple[object, ...]
    names: tuple[str, ...]
    arguments: tuple[str, ...]
    keyword_only: int
    captured: tuple[str, ...]


def read_code_object(data: bytes, layout: Layout) -> CodeObject:
    """Read a marshalled lambda and check its signature.

    Args:
        data: Marshalled bytes.
        layout: The layout of a code object in the assumed version of Python.

    Raises:
        LambdaUnreadableError: They are not a code object of this layout, or the function has ``*args``, local
            variables or nested functions.
    """
    marshalled = read_marshal(data, layout)
    if not isinstance(marshalled, MarshalledCode):
        raise damaged("it is no code object")
    constants = _field(marshalled, "consts", tuple)
    keyword_only = _field(marshalled, "kwonlyargcount", int)
    count = _field(marshalled, "argcount", int) + keyword_only
    _check_flags(_field(marshalled, "flags", int))
    if any(isinstance(constant, MarshalledCode) for constant in constants):
        raise LambdaUnreadableError("it defines a function of its own")
    variables, captured = _variables(marshalled)
    if keyword_only < 0 or not 0 <= count <= len(variables):
        raise damaged("it takes arguments that have no name")
    if len(variables) > count:
        raise LambdaUnreadableError("it has variables of its own")
    return CodeObject(
        bytecode=_field(marshalled, "code", bytes),
        constants=constants,
        names=_names(marshalled, "names"),
        arguments=variables,
        keyword_only=keyword_only,
        captured=captured,
    )


def _check_flags(flags: int) -> None:
    if flags & _VARARGS:
        raise LambdaUnreadableError("it takes *args")
    if flags & _VARKEYWORDS:
        raise LambdaUnreadableError("it takes **kwargs")
    if flags & _SUSPENDS:
        raise LambdaUnreadableError("it is a generator or a coroutine")


def _variables(code: MarshalledCode) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the local variables, with the arguments first, and those of the free variables."""
    if "localspluskinds" not in code.fields:
        if _names(code, "cellvars"):
            raise LambdaUnreadableError(_SHARES)
        return _names(code, "varnames"), _names(code, "freevars")
    variables = _names(code, "localsplusnames")
    kinds = _field(code, "localspluskinds", bytes)
    if len(kinds) != len(variables):
        raise damaged("its variables have no kind")
    if any(kind & _CELL for kind in kinds):
        raise LambdaUnreadableError(_SHARES)
    count = sum(not kind & _FREE for kind in kinds)
    if any(kind & _FREE for kind in kinds[:count]):
        raise damaged("its variables are out of order")
    return variables[:count], variables[count:]


def _names(code: MarshalledCode, name: str) -> tuple[str, ...]:
    found = _field(code, name, tuple)
    if not all(isinstance(item, str) and len(item) <= _MAX_NAME for item in found):
        raise damaged("a name is not a short text")
    if name == "names" and not all(item.isidentifier() for item in found):
        raise damaged("a name is not an identifier")
    return found


def _field(code: MarshalledCode, name: str, kind: type[_T]) -> _T:
    value = code.fields[name]
    if not isinstance(value, kind):
        raise damaged(f"its {name} are of a wrong type")
    return value
