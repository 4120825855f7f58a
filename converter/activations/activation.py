"""Defines the interface of an activation.

An activation is a value: a formula with its parameters. It defines how it is recognised in users' models (class names
and their config keys, function names, lambda expressions), which layer of ``converter.layers`` computes it (the
reference), and into which built-in layers it is lowered.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from converter.archive import Weight
from converter.errors import UnsafeFileError, UnsupportedError
from converter.lambdas import Expression

Parameter = float | tuple[float, ...]
"""A number, or one number per channel of the last axis."""


@dataclass(frozen=True)
class Step:
    """One built-in Keras layer that an activation is lowered to.

    Attributes:
        kind: The Keras class name.
        config: Its constructor arguments, without name and dtype.
        suffix: What is appended to the original layer's name.
        weights: Stored weights of the layer, by path.
    """

    kind: str
    config: Mapping[str, Any]
    suffix: str
    weights: Mapping[str, Weight] = field(default_factory=dict)


class Activation(Protocol):
    """A recognised activation with its parameters."""

    key: ClassVar[str]
    """Its name on the command line, such as ``pss``."""
    layer: ClassVar[str]
    """The class in ``converter.layers`` that computes it."""
    class_names: ClassVar[Mapping[str, frozenset[str]]]
    """Users' class names, each with the config keys that such a class stores beyond a layer's own."""
    function_names: ClassVar[frozenset[str]]
    """Users' function names."""
    parameters: ClassVar[tuple[str, ...]]
    """The names of its parameters, in order."""

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, float]) -> Self:
        """Make one from numbers by parameter, as the command line states them; others have their defaults.

        Raises:
            UnsupportedError: A parameter without a default is missing, or the numbers make no safe formula.
        """
        ...

    @classmethod
    def from_expression(cls, expression: Expression) -> Self | None:
        """Recognise a lambda's expression; None if it computes something else."""
        ...

    @property
    def formula(self) -> str:
        """The formula with its numbers, as text."""
        ...

    @property
    def scale(self) -> float:
        """The factor on x inside the formula: the curve bends at |x| = 1 / scale.

        Positive and finite for all parameters, so that it can be a divisor; 1 if the curve has no bend, as with
        alpha = 0.
        """
        ...

    def largest_input(self, dtype_max: float) -> float:
        """The largest |x| at which the original formula is finite in a type whose largest number is given.

        Positive, and no larger than that number.
        """
        ...

    def uncertainty(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """How far rounding in the dtype of x may change the result, point by point; 0 for a stable formula.

        Points where that exceeds the tolerance are not compared: two correct runtimes may differ there.
        """
        ...

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The formula in float64."""
        ...

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments of the layer that computes it."""
        ...

    def lower(self) -> tuple[Step, ...]:
        """The built-in layers that compute it, in order."""
        ...


def rescaling(scale: Parameter, suffix: str) -> Step:
    """The step scale * x."""
    return Step("Rescaling", {"scale": plain(scale), "offset": 0.0}, suffix)


def number(value: object, name: str, where: str) -> float:
    """Check that a parameter is one finite number.

    Raises:
        UnsafeFileError: It is anything else; the text names the parameter and the value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        came = repr(value)
        raise UnsafeFileError(
            f"parameter '{name}' must be a number, not {came if len(came) <= 60 else came[:57] + '...'}",
            where=where,
        )
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise UnsafeFileError(f"parameter '{name}' must be a finite number, not {value!r:.60}", where=where)
    return result


def parameter(value: object, name: str, where: str) -> Parameter:
    """Check that a parameter is a finite number, or a list of them: one per channel.

    Raises:
        UnsafeFileError: It is anything else.
        UnsupportedError: It is a table of numbers.
    """
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        raise UnsupportedError(f"parameter '{name}' differs along more than the last axis", where=where)
    if isinstance(value, list) and value:
        return tuple(number(item, name, where) for item in value)
    return number(value, name, where)


def smallest(value: Parameter) -> float:
    """The least of a parameter's numbers."""
    return min(value) if isinstance(value, tuple) else value


def largest_magnitude(value: Parameter) -> float:
    """The largest magnitude among a parameter's numbers."""
    return max(map(abs, value)) if isinstance(value, tuple) else abs(value)


def show(value: Parameter) -> str:
    """A parameter as text: a number, or the range of a per-channel one."""
    if isinstance(value, tuple):
        return f"[{min(value):g} .. {max(value):g}]"
    return f"{value:g}"


def plain(value: Parameter) -> float | list[float]:
    """A parameter as a JSON value."""
    return list(value) if isinstance(value, tuple) else value
