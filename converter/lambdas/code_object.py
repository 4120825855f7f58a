"""A code object of the only shape that is read further: one argument, nothing captured, no locals."""

from typing import NamedTuple, TypeVar

from converter.lambdas.marshal_reader import Layout, MarshalledCode, read_marshal
from converter.lambdas.unreadable import LambdaUnreadableError, damaged

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
_CELL_OR_FREE = 0x40 | 0x80  # bits of a variable's kind, since 3.11
_MAX_NAME = 100

_T = TypeVar("_T")


class CodeObject(NamedTuple):
    """What is left of a code object once its shape is known to be ``lambda x: ...``.

    Attributes:
        bytecode: The instructions.
        constants: What they load by number.
        names: The globals and attributes that they spell by number; all are identifiers.
    """

    bytecode: bytes
    constants: tuple[object, ...]
    names: tuple[str, ...]


def read_code_object(data: bytes, layout: Layout) -> CodeObject:
    """Read a marshalled lambda and check its signature.

    Args:
        data: Marshalled bytes.
        layout: The layout to read them by.

    Raises:
        LambdaUnreadableError: They are no code object of this layout, or not that of a function of exactly
            one argument without variables of its own or of others.
    """
    marshalled = read_marshal(data, layout)
    if not isinstance(marshalled, MarshalledCode):
        raise damaged("it is no code object")
    code = CodeObject(
        bytecode=_field(marshalled, "code", bytes),
        constants=_field(marshalled, "consts", tuple),
        names=_names(marshalled, "names"),
    )
    _check_signature(marshalled)
    if any(isinstance(constant, MarshalledCode) for constant in code.constants):
        raise LambdaUnreadableError("it defines a function of its own")
    _check_variables(marshalled)
    return code


def _check_signature(code: MarshalledCode) -> None:
    flags = _field(code, "flags", int)
    if flags & _VARARGS:
        raise LambdaUnreadableError("it takes *args")
    if flags & _VARKEYWORDS:
        raise LambdaUnreadableError("it takes **kwargs")
    if _field(code, "kwonlyargcount", int):
        raise LambdaUnreadableError("it takes keyword-only arguments")
    if (count := _field(code, "argcount", int)) != 1:
        raise LambdaUnreadableError(f"it takes {count} arguments, not one")
    if flags & _SUSPENDS:
        raise LambdaUnreadableError("it is a generator or a coroutine")


def _check_variables(code: MarshalledCode) -> None:
    if "localspluskinds" in code.fields:
        variables = _names(code, "localsplusnames")
        kinds = _field(code, "localspluskinds", bytes)
        closes_over = len(kinds) != len(variables) or any(kind & _CELL_OR_FREE for kind in kinds)
    else:
        variables = _names(code, "varnames")
        closes_over = bool(_names(code, "freevars") or _names(code, "cellvars"))
    if closes_over:
        raise LambdaUnreadableError("it closes over a variable")
    if len(variables) != 1:
        raise LambdaUnreadableError("it has variables of its own")


def _names(code: MarshalledCode, name: str) -> tuple[str, ...]:
    found = _field(code, name, tuple)
    if not all(isinstance(item, str) and len(item) <= _MAX_NAME for item in found):
        raise damaged("a name is none")
    if name == "names" and not all(item.isidentifier() for item in found):
        raise damaged("a name is no identifier")
    return found


def _field(code: MarshalledCode, name: str, kind: type[_T]) -> _T:
    value = code.fields[name]
    if not isinstance(value, kind):
        raise damaged(f"its {name} are of a wrong type")
    return value
