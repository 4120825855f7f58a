"""Represents a call of TensorFlow as an expression of ``keras.ops``, and turns it into layers and calls.

For example:

    tf.nn.silu(x, beta=1.5)  ->  multiply(x, sigmoid(multiply(x, 1.5)))

Each nested operation becomes an operation of the graph, so that no later stage depends on TensorFlow's semantics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from converter.graph import Argument, Call, Layer, Ref


class ArgumentError(Exception):
    """A function is called with an unsupported argument; the text follows the function's name in the message."""


@dataclass(frozen=True)
class Operation:
    """One operation of ``keras.ops``.

    Attributes:
        function: Its name there.
        args: Tensors, constants, other operations, or lists of them.
        options: Keyword arguments: plain values.
        same_dtype: All operands have one dtype, as TensorFlow requires, and the result has it too. Keras would
            promote instead: the mean of integers would be ``float32``.
        output: Which of its results another operation takes.
    """

    function: str
    args: tuple[Argument, ...]
    options: dict[str, Argument] = field(default_factory=dict)
    same_dtype: bool = True
    output: int = 0


def op(
    function: str, *args: Argument, same_dtype: bool = True, output: int = 0, **options: Argument
) -> Operation:
    """An operation; lists of numbers among the positional arguments become arrays."""
    return Operation(function, tuple(map(operand, args)), options, same_dtype, output)


def operand(value: Argument) -> Argument:
    """An argument to compute with: a list of numbers is an array.

    Raises:
        ArgumentError: Its lists have different lengths, or a number is too large.
    """
    if not isinstance(value, list) or not value or not _all_numbers(value):
        return value
    try:
        array: Any = np.asarray(value)
        if array.dtype == bool:
            return array
        small = array.dtype.kind == "i" and np.abs(array).max(initial=0) < 2**31
        return array.astype(np.int32 if small else np.float32)
    except (ValueError, TypeError, OverflowError):
        raise ArgumentError(" with lists that make no array of numbers") from None


def identity(x: Argument) -> Operation:
    """An operation that computes nothing."""
    return op("stop_gradient", x)


def as_calls(operation: Operation, name: str, index: int, prefix: str) -> Iterator[tuple[str, Layer, Call]]:
    """Turn an expression into layers and calls, nested operations first.

    A node may compute something else in another call, so its nested operations are named
    ``name/function_<call>_<number>``.

    Args:
        operation: The expression.
        name: The node's name in its model, by which consumers refer to its result.
        index: Which of the node's calls this is.
        prefix: The prefix of the node's name in the graph.

    Yields:
        Name in the model, layer, call.
    """
    inner: list[tuple[str, Layer, Call]] = []
    numbers = count()

    def named(argument: Argument) -> Argument:
        if isinstance(argument, list):
            return [named(item) for item in argument]
        if not isinstance(argument, Operation):
            return argument
        local = f"{name}/{argument.function}_{index}_{next(numbers)}"
        inner.append(_call(argument, local))
        return Ref(local, index, argument.output)

    def _call(made: Operation, local: str) -> tuple[str, Layer, Call]:
        layer = Layer(prefix + local, f"ops.{made.function}", same_dtype=made.same_dtype)
        return local, layer, Call(local, index, tuple(map(named, made.args)), made.options)

    outer = _call(operation, name)
    yield from inner
    yield outer


def integer(value: Argument, name: str) -> int:
    """An integer argument.

    Raises:
        ArgumentError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unknown(value, name)
    return value


def number(value: Argument, name: str) -> float:
    """A number.

    Raises:
        ArgumentError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unknown(value, name)
    return value


def flag(value: Argument, name: str) -> bool:
    """True or false.

    Raises:
        ArgumentError: It is neither.
    """
    if not isinstance(value, bool):
        raise _unknown(value, name)
    return value


def integers(value: Argument, name: str) -> list[int]:
    """An argument that is a list of integers.

    Raises:
        ArgumentError: It is none.
    """
    if not isinstance(value, list | tuple):
        raise _unknown(value, name)
    return [integer(item, name) for item in value]


def axes(value: Argument, name: str = "axis") -> int | list[int] | None:
    """An axis, several, or none.

    Raises:
        ArgumentError: It is none of these.
    """
    if value is None:
        return None
    return integers(value, name) if isinstance(value, list | tuple) else integer(value, name)


def require_one_of(value: Argument, known: Sequence[Argument], name: str) -> None:
    """Require one of several values.

    Raises:
        ArgumentError: It is another.
    """
    if isinstance(value, list | Ref) or value not in known:
        raise _unknown(value, name)


def _unknown(value: Argument, name: str) -> ArgumentError:
    said = "a tensor" if isinstance(value, Ref) else f"{value!r:.60}"
    return ArgumentError(f" with {said} as its '{name}', which is not known")


def _all_numbers(value: Argument) -> bool:
    if isinstance(value, list):
        return all(map(_all_numbers, value))
    return isinstance(value, int | float)
