"""Reads a lambda as Keras stores it, and returns the expression that it computes."""

import binascii
from collections.abc import Mapping

from converter.lambdas.argument_binding import Stored
from converter.lambdas.bytecode_evaluator import evaluate
from converter.lambdas.code_object import read_code_object
from converter.lambdas.errors import LambdaUnreadableError
from converter.lambdas.expression import Expression
from converter.lambdas.opcodes import BYTECODE_VERSIONS

_MAX_CHARACTERS = 65_536


def read_lambda(
    code: str, defaults: object, closure: object, given: Mapping[str, object] | None = None
) -> Expression:
    """Determine what a stored lambda computes, without running any of it.

    The file does not record which Python wrote it, so the bytes are read as bytecode of every known version. At
    least one reading must succeed, and all that succeed must agree.

    Args:
        code: Marshalled bytecode in base64, as Keras writes it (line breaks are allowed).
        defaults: The stored default values: a list of numbers, or None.
        closure: The stored values of free variables: a list of numbers, or None.
        given: The numbers that the Lambda layer passes as keyword arguments.

    Returns:
        The expression in the lambda's first argument. The other arguments are replaced by the stored numbers.

    Raises:
        LambdaUnreadableError: It is damaged; or does anything but arithmetic, comparisons and calls of named
            functions; or uses a value that is not in the file or is not a number.
    """
    data = _decoded(code)
    stored = Stored(defaults, closure, given or {})
    readings: set[Expression] = set()
    failures: list[LambdaUnreadableError] = []
    for version in BYTECODE_VERSIONS:
        try:
            readings.add(evaluate(read_code_object(data, version.layout), version, stored))
        except LambdaUnreadableError as failure:
            failures.append(failure)
    if not readings:
        raise max(failures, key=lambda failure: failure.progress)
    if len(readings) > 1:
        raise LambdaUnreadableError("it means different things in different versions of Python")
    return readings.pop()


def _decoded(code: str) -> bytes:
    if len(code) > _MAX_CHARACTERS:
        raise LambdaUnreadableError(f"its code is longer than {_MAX_CHARACTERS} characters", progress=-1)
    try:
        return binascii.a2b_base64("".join(code.split()), strict_mode=True)
    except ValueError:
        raise LambdaUnreadableError("its code is not base64", progress=-1) from None
