"""From what Keras stores of a lambda to the expression that it computes."""

import binascii

from converter.lambdas.code_object import read_code_object
from converter.lambdas.evaluator import evaluate
from converter.lambdas.expression import Expression
from converter.lambdas.opcodes import DIALECTS
from converter.lambdas.unreadable import LambdaUnreadableError

_MAX_CHARACTERS = 65_536


def read_lambda(code: str, defaults: object, closure: object) -> Expression:
    """Find out what a stored lambda computes, without running any of it.

    The file does not say which Python wrote it, so the bytes are read as every known version would. One
    reading must succeed, and all that succeed must agree.

    Args:
        code: Marshalled bytecode in base64, as Keras writes it (line breaks are allowed).
        defaults: The stored default values; None or empty for a readable lambda.
        closure: The stored captured values; likewise.

    Returns:
        The expression, in the lambda's one input.

    Raises:
        LambdaUnreadableError: It is damaged, or does anything but arithmetic and calls of named functions
            with one argument.
    """
    if _holds_something(defaults):
        raise LambdaUnreadableError("it takes a default argument")
    if _holds_something(closure):
        raise LambdaUnreadableError("it closes over a variable")
    data = _decoded(code)
    readings: set[Expression] = set()
    failures: list[LambdaUnreadableError] = []
    for dialect in DIALECTS:
        try:
            readings.add(evaluate(read_code_object(data, dialect.layout), dialect))
        except LambdaUnreadableError as failure:
            failures.append(failure)
    if not readings:
        raise max(failures, key=lambda failure: failure.progress)
    if len(readings) > 1:
        raise LambdaUnreadableError("it means different things in different versions of Python")
    return readings.pop()


def _holds_something(stored: object) -> bool:
    return stored is not None and stored not in ([], ())


def _decoded(code: str) -> bytes:
    if len(code) > _MAX_CHARACTERS:
        raise LambdaUnreadableError(f"its code is longer than {_MAX_CHARACTERS} characters", progress=-1)
    try:
        return binascii.a2b_base64("".join(code.split()), strict_mode=True)
    except ValueError:
        raise LambdaUnreadableError("its code is not base64", progress=-1) from None
